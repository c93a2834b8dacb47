# respond: a tuned model's answers to the prompts of all languages that its figures need, in one job.
#
# in   <results>/bases/{model}/, <results>/models/{method}/{model}/{recipe}/, <results>/prompts/{lang}.jsonl
# out  <results>/responses/{method}/{model}/{recipe}.jsonl   lang, id, prompt, response, tokens, finish
#      <results>/responses/{method}/{model}/{recipe}.json    how they were made: decoding, engine, settings, weights
#      <results>/merged/lora/{model}/{recipe}/               if `respond.lora.serve` names an engine; removed later
# The journal is in <results>/journals/respond/.


rule merge:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        adapter="<results>/models/{method}/{model}/{recipe}",
    output:
        temp(directory("<results>/merged/{method}/{model}/{recipe}")),
    log:
        "<logs>/merge/{method}/{model}/{recipe}.log",
    wildcard_constraints:
        method=one_of(TRAININGS.methods_like("lora")),
    conda:
        "../../envs/main.yaml"
    resources:
        mem_mb=COMPUTE.memory_of_node,
    params:
        code=code_of("merge_adapter"),
        precision=ANSWERS.precision,
    shell:
        "python workflow/scripts/merge_adapter.py --base {input.base:q} --adapter {input.adapter:q}"
        " --precision {params.precision:q}"
        " --output {output:q} 2> {log:q}"


rule respond:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        model=ANSWERS.weights,
        tokenizer=ancient(BASES.tokenizer),
        tokenizer_content=BASES.tokenizer_content,
        template=ANSWERS.template,
        prompts=ANSWERS.prompts,
    output:
        responses="<results>/responses/{method}/{model}/{recipe}.jsonl",
        metadata="<results>/responses/{method}/{model}/{recipe}.json",
    log:
        "<logs>/respond/{method}/{model}/{recipe}.log",
    benchmark:
        "<benchmarks>/respond/{method}/{model}/{recipe}.tsv"
    conda:
        "../../envs/main.yaml"
    threads: COMPUTE.cores_of_rank
    resources:
        **SITE.on_gpus(COMPUTE.gpus(1)),
        mem_mb=COMPUTE.memory_of_node,
    params:
        code=code_of("respond"),
        method=ANSWERS.method,
        prompts=ANSWERS.prompt_options,
        settings=ANSWERS.settings,
        accelerator=COMPUTE.accelerator,
        journal=f"{RESULTS}/journals/respond/{{method}}/{{model}}/{{recipe}}.jsonl",
    shell:
        "python workflow/scripts/respond.py --method {params.method:q} --base {input.base:q} --model {input.model:q}"
        " --tokenizer {input.tokenizer:q} --template {input.template:q} --prompts {params.prompts:q}"
        " --settings {params.settings:q} --accelerator {params.accelerator:q} --journal {params.journal:q}"
        " --output {output.responses:q} --metadata {output.metadata:q} > {log:q} 2>&1"
