# judge: an LLM's rating of each answer, 1-3, in the words of the paper's Figure 1.
#
# in   <results>/responses/{method}/{model}/{recipe}.jsonl, an entry of `judges`
# out  <results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl
#          lang, id, rating or null, explanation, attempts, model, fingerprint, usage
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
