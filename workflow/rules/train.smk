# train: a base model tuned on a recipe, with LoRA (PEFT) or all parameters (DeepSpeed ZeRO).
#
# in   <results>/bases/{model}/, <results>/tokens/{family}/{template}/{recipe}/, and, to lie beside the weights,
#      <results>/tokenizers/{family}/ and the prompt template
# out  <results>/micro_batches/{method}/{model}.json   tokens of the fastest, with micro_batch_tokens auto
#      <results>/models/{method}/{model}/{recipe}/     adapter or model (safetensors), tokenizer, model card,
#                                                      training.json
# Checkpoints are in <results>/checkpoints/{method}/{model}/{recipe}/ while the training runs: declared outputs are
# deleted before a job is rerun, these are not. `exec`: a shell in between would be killed by the signal that asks the
# training to stop, and the job with it. With `train.source: released`, the models come from `released`.


rule micro_batch:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        # Rows that stand for those of all recipes: they tell how much padding there will be.
        tokens=ancient(lambda wildcards: [TOKENS.folder(run) for run in RECIPES.soonest(MATRIX.runs_with(wildcards))]),
    output:
        "<results>/micro_batches/{method}/{model}.json",
    log:
        "<logs>/micro_batch/{method}/{model}.log",
    conda:
        "../../envs/main.yaml"
    threads: COMPUTE.cores_of_node
    resources:
        **SITE.on_gpus(COMPUTE.gpus_of_training),
        mem_mb=COMPUTE.memory_of_node,
        runtime="1h",
        nodes=1,
    params:
        code=code_of("micro_batch", "train", "launch"),
        launcher=COMPUTE.launcher,
        method=TRAININGS.base_method,
        adapter_modules=TRAININGS.adapter_modules,
        settings=TRAININGS.settings_of_model,
        tokens=TOKENS.padding_options,
        length=config["tokenize"]["max_length"],
        memory=COMPUTE.memory_of_rank,
        accelerator=COMPUTE.accelerator,
    shell:
        "python workflow/scripts/micro_batch.py --length {params.length:q} --memory {params.memory:q}"
        " --settings {params.settings:q} {params.tokens:q}"
        " --output {output:q} -- {params.launcher:q} workflow/scripts/train.py --method {params.method:q}"
        " --model {input.base:q} --accelerator {params.accelerator:q}"
        " --adapter-modules {params.adapter_modules:q} 2> {log:q}"


rule train:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        # A micro-batch size that is determined again is no reason to retrain: it affects only speed.
        micro_batch=ancient(TRAININGS.micro_batch),
        tokens=ancient(TOKENS.folder),
        tokens_content=TOKENS.content,
        # Copied to the output; a change that matters to training is a change of the tokens.
        tokenizer=ancient(BASES.tokenizer),
        template=ancient(TOKENS.template_of_run),
    output:
        directory("<results>/models/{method}/{model}/{recipe}"),
    log:
        "<logs>/train/{method}/{model}/{recipe}.log",
        curve="<logs>/train/{method}/{model}/{recipe}.csv",
    benchmark:
        "<benchmarks>/train/{method}/{model}/{recipe}.tsv"
    wildcard_constraints:
        method=one_of(TRAININGS.methods_from("trained")),
    conda:
        "../../envs/main.yaml"
    threads: COMPUTE.cores_of_node
    resources:
        **SITE.on_gpus(COMPUTE.gpus_of_training),
        mem_mb=COMPUTE.memory_of_node,
        runtime=COMPUTE.runtime,
        nodes=1,
    params:
        code=code_of("train", "launch"),
        launcher=COMPUTE.launcher,
        method=TRAININGS.base_method,
        adapter_modules=TRAININGS.adapter_modules,
        settings=TRAININGS.settings,
        micro_batch=TRAININGS.micro_batch_options,
        accelerator=COMPUTE.accelerator,
        checkpoints=f"{RESULTS}/checkpoints/{{method}}/{{model}}/{{recipe}}",
    shell:
        "exec python {params.launcher:q} workflow/scripts/train.py --method {params.method:q} --model {input.base:q}"
        " --tokens {input.tokens:q} --adapter-modules {params.adapter_modules:q} --settings {params.settings:q}"
        " --tokenizer {input.tokenizer:q} --template {input.template:q} {params.micro_batch:q}"
        " --accelerator {params.accelerator:q} --checkpoints {params.checkpoints:q} --curve {log.curve:q}"
        " --output {output:q} > {log[0]:q} 2>&1"


# On several nodes the launcher starts itself on each with srun. `mpi` and `tasks` make Slurm give the job one task per
# node and leave srun to it; `tasks_per_gpu: 0` keeps the plugin from requesting tasks per GPU.
use rule micro_batch as micro_batch_on_nodes with:
    wildcard_constraints:
        method=one_of(TRAININGS.methods_like("full")),
        model=one_of(COMPUTE.models_on_several_nodes()),
    resources:
        **SITE.on_gpus(COMPUTE.gpus_of_training, COMPUTE.nodes),
        mem_mb=COMPUTE.memory_of_node,
        runtime="1h",
        nodes=COMPUTE.nodes,
        tasks=COMPUTE.nodes,
        tasks_per_gpu=0,
        mpi="srun",


use rule train as train_on_nodes with:
    wildcard_constraints:
        method=one_of(TRAININGS.methods_from("trained", "full")),
        model=one_of(COMPUTE.models_on_several_nodes()),
    resources:
        **SITE.on_gpus(COMPUTE.gpus_of_training, COMPUTE.nodes),
        mem_mb=COMPUTE.memory_of_node,
        runtime=COMPUTE.runtime,
        nodes=COMPUTE.nodes,
        tasks=COMPUTE.nodes,
        tasks_per_gpu=0,
        mpi="srun",


ruleorder: micro_batch_on_nodes > micro_batch
ruleorder: train_on_nodes > train


rule fetch_tuned:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        folder=RELEASED.folder,
        tokenizer=ancient(BASES.tokenizer),
    output:
        directory("<results>/models/{method}/{model}/{recipe}"),
    log:
        "<logs>/fetch_tuned/{method}/{model}/{recipe}.log",
    wildcard_constraints:
        method=one_of(TRAININGS.methods_from("released")),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("fetch_tuned"),
        source=RELEASED.options,
    shell:
        "python workflow/scripts/fetch_tuned.py --method {wildcards.method:q} --base {input.base:q} {params.source:q}"
        " --tokenizer {input.tokenizer:q} --output {output:q} 2> {log:q}"
