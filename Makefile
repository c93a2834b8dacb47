# make demo   the miniature, from nothing to Figures 2-7
# make test   every check, fast ones first
# make plan   what a run will take, and make status how far it is; of the paper, or of CONFIG=config/demo.yaml, of all
#             figures, or of TARGET=figure3
# make bench  translation, training, responding, judging and figures against other ways; make bench-training
#             BENCH="--help" tells what can be chosen, and so for the others and bench-gpu
# All make the environments they need; a second call finds them made.

MAIN      := .venv
BERGAMOT  := .venv-bergamot
PEERS     := .venv-bench
ACTIVE    := PATH="$(CURDIR)/$(MAIN)/bin:$$PATH"
SNAKEMAKE := $(ACTIVE) snakemake --profile profiles/local
TEXT      := $(ACTIVE) python workflow/scripts/demo_text.py --grammar resources/demo/grammar.yaml

# Tests wait for servers, disks and clocks as often as they compute: three at a time keep two cores busy. Files whose
# tests take minutes go first, so that no core waits for one in the end.
PYTEST    := pytest --numprocesses 3
SLOW      := tests/faults tests/workflow/test_dag.py tests/unit/test_invariants.py tests/unit/test_judge.py

.PHONY: help env demo test lint unit workflow slurm kill-anywhere fuzz bench bench-translation bench-training bench-responding bench-judging bench-figures bench-dag bench-gpu plan status report demo-text demo-models config-reference clean
.DEFAULT_GOAL := help

help: ## show these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 28

env: $(MAIN)/.made $(BERGAMOT)/.made ## make the two environments

$(MAIN)/.made: envs/requirements.lock envs/torch.lock envs/make-main.sh
	@echo "Making the main environment in $(MAIN), once; this takes minutes ..."
	@envs/make-main.sh $(MAIN)
	@touch $@

$(BERGAMOT)/.made: envs/requirements.lock envs/make-bergamot.sh | $(MAIN)/.made
	@echo "Making Bergamot's environment in $(BERGAMOT), once ..."
	@envs/make-bergamot.sh $(BERGAMOT) $(MAIN)/bin/python
	@touch $@

# Not a whole environment: the few packages that the main one lacks, beside it on the path of those who want them.
$(PEERS)/.made: envs/bench.lock | $(MAIN)/.made
	@echo "Fetching what the benchmarks need into $(PEERS), once ..."
	@rm -rf $(PEERS)
	@$(MAIN)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $(PEERS) --requirement envs/bench.lock
	@touch $@

demo: env ## run the miniature and show its scores
	@$(SNAKEMAKE) --configfile config/demo.yaml -- all_figures
	@cat results/demo/summary.md

# Of any configuration and target, as for snakemake; either is read-only but for its two files below results/.
ASKED      = $(if $(CONFIG),--configfile $(CONFIG)) -- $(TARGET)

plan: env ## say what a run will take, before it runs; CONFIG, TARGET
	@$(ACTIVE) python workflow/scripts/plan.py $(ASKED)

status: env ## say how far a run is, what failed, and what it has cost so far; CONFIG, TARGET
	@$(ACTIVE) python workflow/scripts/status.py $(ASKED)

report: demo ## put the miniature's figures, tables and claims into one file, results/demo/report.html
	@$(SNAKEMAKE) --configfile config/demo.yaml --report results/demo/report.html

test: lint unit workflow ## run every check, fast ones first

lint: env
	@$(ACTIVE) ruff check .
	@$(ACTIVE) ruff format --check .
	@$(ACTIVE) snakefmt --check Snakefile workflow
	@$(ACTIVE) snakemake --lint
	@$(ACTIVE) snakemake --lint --configfile config/demo.yaml

unit: env
	@$(ACTIVE) $(PYTEST) --dist loadfile --no-loadscope-reorder -m "not demo and not slurm" $(SLOW) tests

workflow: env # the miniature first, and once: what follows runs side by side, in checkouts of its own
	@$(SNAKEMAKE) --cores $$(($$(nproc) + 1)) --configfile config/demo.yaml -- all_figures # its jobs wait as well
	@$(ACTIVE) $(PYTEST) --dist loadgroup -m "(demo or slurm) and not long" tests/faults tests/slurm tests/workflow

slurm: env ## run the SLURM profile on a real Slurm, and hurt it, half an hour (root, Debian packages)
	@$(ACTIVE) pytest -m slurm tests/slurm

kill-anywhere: env ## fill the disk of a small miniature, kill its processes twenty times, and compare what it makes
	@KILLS=20 $(ACTIVE) pytest -s -m demo tests/faults

fuzz: env ## draw configurations, files, replies, prompts and answers at random, ten minutes each of eight
	@FUZZ_SECONDS=600 $(ACTIVE) pytest tests/faults/test_fuzz.py

bench: ## measure translation, training, responding, judging, figures and the DAG, half an hour
	@$(if $(BENCH),$(error BENCH is for one of them: make bench-translation, bench-training, bench-responding, bench-judging, bench-figures, bench-dag or bench-gpu))
	@$(MAKE) --no-print-directory bench-translation bench-training bench-responding bench-judging bench-figures bench-dag

bench-translation: env $(PEERS)/.made ## measure the translation, six minutes; BENCH has options
	@$(ACTIVE) python benchmarks/bench_translation.py $(BENCH)

bench-training: env $(PEERS)/.made ## measure the training, a quarter of an hour; BENCH has options
	@$(ACTIVE) python benchmarks/bench_training.py $(BENCH)

bench-responding: env ## measure answering in batches, five minutes; BENCH has options
	@$(ACTIVE) python benchmarks/bench_responding.py $(BENCH)

bench-judging: env ## measure how much of a rate limit the judge reaches, two minutes; BENCH has options
	@$(ACTIVE) python benchmarks/bench_judging.py $(BENCH)

bench-figures: env ## measure the way from scores to figures, two minutes; BENCH has options
	@$(ACTIVE) python benchmarks/bench_figures.py $(BENCH)

bench-dag: env ## measure Snakemake on the paper's matrix, and on one ten times as large, ten minutes; BENCH has options
	@$(ACTIVE) python benchmarks/bench_dag.py $(BENCH)

bench-gpu: env ## measure the training on a GPU, nine minutes; BENCH has options
	@$(ACTIVE) python benchmarks/bench_gpu.py $(BENCH)

demo-text: env ## write the miniature's seed data, prompts and references again
	@$(TEXT) seed --output resources/demo/seed.jsonl
	@$(TEXT) references --output resources/demo/references.jsonl
	@for lang in en es fr bg ru zh bn no; do $(TEXT) prompts --language $$lang --output resources/demo/prompts/$$lang.jsonl; done

demo-models: env ## train the miniature's translation models again
	@$(ACTIVE) python resources/demo/translation/train_models.py --language es fr bg ru zh --output resources/demo/translation

config-reference: env ## write docs/configuration.md again, from the schema and config/config.yaml
	@$(ACTIVE) python workflow/scripts/config_reference.py --output docs/configuration.md

clean: ## remove the miniature's results; environments stay
	@rm -rf results/demo
