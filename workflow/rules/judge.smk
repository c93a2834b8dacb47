# judge: an LLM's rating of each answer, 1-3, in the words of the paper's Figure 1.
#
# in   <results>/responses/{method}/{model}/{recipe}.jsonl, an entry of `judges`
# out  <results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl
#          lang, id, repeat, rating or null, explanation, attempts, model, fingerprint, usage
#      <results>/judges.{md,csv}   all of them: counts, agreement, who answered, what it took
# The journal, in which every call that was paid for is kept, lies in <results>/journals/judge/. The API key comes
# from the environment and goes nowhere else.


rule judge:
    input:
        script="workflow/scripts/judge.py",
        shared=imports_of("judge"),
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
    params:
        judge=judge_settings,
        journal=f"{RESULTS}/journals/judge/{{judge}}/{{method}}/{{model}}/{{recipe}}.jsonl",
    shell:
        "python {input.script} --responses {input.responses} --template {input.template} --judge {params.judge:q}"
        " --journal {params.journal} --output {output} 2> {log}"


rule judge_report:
    input:
        script="workflow/scripts/judge_report.py",
        shared=imports_of("judge_report"),
        ratings=expand("<results>/ratings/{judge}/{run}.jsonl", judge=JUDGES, run=[run.path() for run in RUNS]),
    output:
        md="<results>/judges.md",
        csv=report("<results>/judges.csv", category="Tables", caption="../report/judges.rst"),
    log:
        "<logs>/judge_report.log",
    conda:
        "../../envs/main.yaml"
    params:
        ratings=lambda wildcards, input: [f"{path.split('/')[-4]}={path}" for path in input.ratings],
        prices=json.dumps({name: judge["price"] for name, judge in JUDGES.items() if "price" in judge}),
        missing=config["score"]["missing"],
        languages=TESTED,
        note=config["note"],
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python {input.script} --ratings {params.ratings} --prices {params.prices:q} --missing {params.missing}"
        " --languages {params.languages} --note {params.note:q} --output-prefix {params.prefix} 2> {log}"
