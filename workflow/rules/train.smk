# train: a base model tuned on a recipe, by LoRA (PEFT) or full-parameter (DeepSpeed ZeRO).
#
# in   <results>/bases/{model}/, <results>/tokens/{family}/{template}/{recipe}/
# out  <results>/models/{method}/{model}/{recipe}/   adapter or model (safetensors), training.json
# Checkpoints lie in <results>/checkpoints/{method}/{model}/{recipe}/ while the training runs: declared outputs are
# deleted before a job is run again, these are not.


rule train:
    input:
        script="workflow/scripts/train.py",
        shared=imports_of("train"),
        base=base_of,
        tokens=tokens_of,
    output:
        directory("<results>/models/{method}/{model}/{recipe}"),
    log:
        "<logs>/train/{method}/{model}/{recipe}.log",
    benchmark:
        "<benchmarks>/train/{method}/{model}/{recipe}.tsv"
    conda:
        "../../envs/main.yaml"
    threads: lambda wildcards: request_of(wildcards)["ranks"] * config["compute"]["cpus_per_rank"]
    resources:
        mem=lambda wildcards: request_of(wildcards)["memory"],
        runtime=lambda wildcards: request_of(wildcards)["runtime"],
        gpu=lambda wildcards: gpus(request_of(wildcards)["ranks"]),
    params:
        launcher=launcher_of,
        adapter_modules=lambda wildcards: config["families"][family_of(wildcards)]["adapter_modules"],
        settings=training_settings,
        checkpoints=f"{RESULTS}/checkpoints/{{method}}/{{model}}/{{recipe}}",
    shell:
        "{params.launcher} {input.script} --method {wildcards.method} --model {input.base} --tokens {input.tokens}"
        " --adapter-modules {params.adapter_modules} --settings {params.settings:q}"
        " --checkpoints {params.checkpoints} --output {output} > {log} 2>&1"
