# judge: an LLM's rating of each answer, 1-3, in the words of the paper's Figure 1.
#
# in   <results>/responses/{method}/{model}/{recipe}.jsonl, an entry of `judges`
# out  <results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl
#          lang, id, repeat, rating or null, explanation, attempts, model, fingerprint, usage
#      <results>/judges.{md,csv}   all of them: counts, agreement, who answered, what it took
# The journal, in which every call that was paid for is kept, lies in <results>/journals/judge/{judge}/. The API key comes
# from the environment and goes nowhere else. `judging`: profiles let one job at a time call endpoints, so that limits
# and budget hold; batches without a budget wait side by side. `exec`: a shell in between would die of the signal that lets calls under way end.


rule judge:
    input:
        template="resources/templates/judge.txt",
        responses="<results>/responses/{method}/{model}/{recipe}.jsonl",
        files=lambda wildcards: JUDGES[wildcards.judge].get("files", []),
    output:
        "<results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl",
    log:
        "<logs>/judge/{judge}/{method}/{model}/{recipe}.log",
    benchmark:
        "<benchmarks>/judge/{judge}/{method}/{model}/{recipe}.tsv"
    conda:
        "../../envs/main.yaml"
    resources:
        judging=judging,
    params:
        code=code_of("judge"),
        judge=judge_settings,
        journals=f"{RESULTS}/journals/judge/{{judge}}",
        run="{method}/{model}/{recipe}",
    shell:
        "exec python workflow/scripts/judge.py --responses {input.responses:q} --template {input.template:q}"
        " --judge {params.judge:q} --journal {params.journals:q}/{params.run:q}.jsonl --spent-in {params.journals:q}"
        " --output {output:q} 2> {log:q}"


# A judge that its job serves on GPUs: a rule of its own, so that a cluster's profile can say where those are.
use rule judge as judge_on_gpu with:
    wildcard_constraints:
        judge=names_with(JUDGES, "gpus"),
    threads: lambda wildcards: JUDGES[wildcards.judge]["gpus"] * config["compute"]["cpus_per_rank"]
    resources:
        mem_mb=lambda wildcards: parse_size(JUDGES[wildcards.judge].get("memory", "64GB")) // 10**6,
        runtime=lambda wildcards: JUDGES[wildcards.judge].get("runtime", "4h"),
        gpu=lambda wildcards: gpus(JUDGES[wildcards.judge]["gpus"]),
        nodes=1,


ruleorder: judge_on_gpu > judge


rule judge_report:
    input:
        ratings=expand("<results>/ratings/{judge}/{run}.jsonl", judge=JUDGES, run=[run.path() for run in RUNS]),
    output:
        md="<results>/judges.md",
        csv="<results>/judges.csv",
    log:
        "<logs>/judge_report.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("judge_report"),
        ratings=lambda wildcards, input: [f"{path.split('/')[-4]}={path}" for path in input.ratings],
        prices=json.dumps({name: judge["price"] for name, judge in JUDGES.items() if "price" in judge}),
        missing=config["score"]["missing"],
        languages=TESTED,
        note=config["note"],
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/judge_report.py --ratings {params.ratings:q} --prices {params.prices:q}"
        " --missing {params.missing:q}"
        " --languages {params.languages:q} --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"
