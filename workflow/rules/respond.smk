# respond: a tuned model's answers to the prompts of every language that its figures need, in one job.
#
# in   <results>/bases/{model}/, <results>/models/{method}/{model}/{recipe}/, <results>/prompts/{lang}.jsonl
# out  <results>/responses/{method}/{model}/{recipe}.jsonl   lang, id, prompt, response, tokens, finish
# The journal lies in <results>/journals/respond/.


rule respond:
    input:
        script="workflow/scripts/respond.py",
        shared=imports_of("respond"),
        base=base_of,
        model="<results>/models/{method}/{model}/{recipe}",
        tokenizer=tokenizer_of,
        template=lambda wildcards: answering_template(config, wildcards.method),
        prompts=lambda wildcards: [f"<results>/prompts/{lang}.jsonl" for lang in languages_of(wildcards)],
    output:
        "<results>/responses/{method}/{model}/{recipe}.jsonl",
    log:
        "<logs>/respond/{method}/{model}/{recipe}.log",
    benchmark:
        "<benchmarks>/respond/{method}/{model}/{recipe}.tsv"
    conda:
        "../../envs/main.yaml"
    threads: config["compute"]["cpus_per_rank"]
    resources:
        mem=lambda wildcards: request_of(wildcards)["memory"],
        gpu=gpus(1),
    params:
        prompts=lambda wildcards, input: [
            f"{lang}={path}" for lang, path in zip(languages_of(wildcards), input.prompts, strict=True)
        ],
        settings=responding_settings,
        journal=f"{RESULTS}/journals/respond/{{method}}/{{model}}/{{recipe}}.jsonl",
    shell:
        "python {input.script} --method {wildcards.method} --base {input.base} --model {input.model}"
        " --tokenizer {input.tokenizer} --template {input.template} --prompts {params.prompts}"
        " --settings {params.settings:q} --journal {params.journal} --output {output} > {log} 2>&1"
