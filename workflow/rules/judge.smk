# judge: an LLM's rating of each answer, 1-3, in the words of the paper's Figure 1.
#
# in   <results>/responses/{method}/{model}/{recipe}.jsonl, an entry of `judges`
# out  <results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl
#          lang, id, repeat, rating or null, explanation, attempts, model, fingerprint, usage
#      <results>/judge_weights/{judge}.json   where the hub's cache has the weights of a judge that its job serves
#      <results>/judges.{md,csv}   all of them: counts, planted controls, length, agreement, who answered, cost
# The journals, which keep every call that was paid for, are in <results>/journals/judge/{judge}/, and beside them the
# ledger, by which limits and a budget hold across jobs. The API key comes from the environment and goes nowhere else.
# `exec`: a shell in between would be killed by the signal that tells the judge to finish the calls in progress.


rule judge:
    input:
        template="resources/templates/judge.txt",
        responses="<results>/responses/{method}/{model}/{recipe}.jsonl",
        files=JUDGES.files,
    output:
        "<results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl",
    log:
        "<logs>/judge/{judge}/{method}/{model}/{recipe}.log",
    benchmark:
        "<benchmarks>/judge/{judge}/{method}/{model}/{recipe}.tsv"
    conda:
        "../../envs/main.yaml"
    resources:
        linger=0,
    params:
        code=code_of("judge"),
        judge=JUDGES.settings,
        journals=f"{RESULTS}/journals/judge/{{judge}}",
        run="{method}/{model}/{recipe}",
    shell:
        "exec python workflow/scripts/judge.py --responses {input.responses:q} --template {input.template:q}"
        " --judge {params.judge:q} --journal {params.journals:q}/{params.run:q}.jsonl --spent-in {params.journals:q}"
        " --linger {resources.linger:q} --output {output:q} 2> {log:q}"


# A judge at an API is called from where Snakemake runs, a few runs side by side (`judging`): its jobs mostly wait, and
# share a ledger that is a file, which network file systems lock less reliably than one machine its own processes.
use rule judge as judge_at_api with:
    wildcard_constraints:
        judge=JUDGES.at_apis(),
    localrule: True
    resources:
        judging=JUDGES.turns,
        linger=0,


# A judge that its job serves on GPUs has its own rule, so that a cluster's profile can send it to a node with GPUs, and
# forty runs in one submission. `serving`: there they come one after another, so that they share GPUs and, as the
# server waits for the next run (`linger`, in seconds), its start. `mpi`, whatever its value, keeps Slurm's jobstep
# plugin (0.6) from making each run a step of its own: Slurm ends all processes of a step with it, and so the server.
use rule judge as judge_on_gpu with:
    wildcard_constraints:
        judge=JUDGES.on_gpus(),
    threads: JUDGES.cores
    resources:
        **SITE.on_gpus(JUDGES.gpus),
        mem_mb=JUDGES.memory,
        runtime=JUDGES.runtime,
        nodes=1,
        serving=1,
        linger=SITE.linger,
        mpi=0,


ruleorder: judge_at_api > judge_on_gpu > judge


# For nodes without a network. Where there is one, a judge's server fetches its weights itself when it first starts.
rule fetch_judge:
    output:
        "<results>/judge_weights/{judge}.json",
    log:
        "<logs>/fetch_judge/{judge}.log",
    wildcard_constraints:
        judge=one_of(JUDGES.weights),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("fetch_judge"),
        source=JUDGES.weights_of,
    shell:
        "python workflow/scripts/fetch_judge.py --repo {params.source[repo]:q}"
        " --revision {params.source[revision]:q} --output {output:q} 2> {log:q}"


rule judge_report:
    input:
        ratings=ARTIFACTS.ratings,
        controls=CONTROLS.ratings,
        responses=ARTIFACTS.responses,
    output:
        md="<results>/judges.md",
        csv="<results>/judges.csv",
    log:
        "<logs>/judge_report.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("judge_report"),
        ratings=lambda wildcards, input: [f"{path.split('/')[-4]}={path}" for path in input.ratings],
        people=list(JUDGES.people),
        controls=CONTROLS.rating_options,
        prices=JUDGES.prices,
        missing=config["score"]["missing"],
        languages=SELECTIONS.named_languages(),
        note=NOTE,
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/judge_report.py --ratings {params.ratings:q} --people {params.people:q}"
        " --prices {params.prices:q}"
        " --missing {params.missing:q} --controls {params.controls:q} --responses {input.responses:q}"
        " --languages {params.languages:q} --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"
