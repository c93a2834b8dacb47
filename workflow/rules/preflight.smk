# preflight: one job of each kind that the study's runs would make, small and real, before they start; and the page of
# what was found. Of trainings, one for each row of `compute` that a selected model uses, with the largest of these.
#
# in   <results>/bases/{model}/, <results>/tokenizers/{family}/, the prompt templates; for the page, all findings
# out  <results>/preflight/train/{method}/{model}.json   whether it went well; the device, the bandwidth of the ranks,
#                                                        tokens/s, MFU, memory, a checkpoint, answers/s; the node
#      <results>/preflight/respond/{method}/{model}.json the same without the training, of a released model
#      <results>/preflight.md                            ok, or what to do, for each kind; measured against assumed
# A job that does not go well leaves its findings in {model}.failed.json: it has failed, and is tried again when asked.
# The other kinds are in preflight_services.smk. Their files are in {model}.trial/ meanwhile.


rule preflight_training:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        tokenizer=ancient(BASES.tokenizer),
        template=ancient(TOKENS.template_of_run),
        answering=ancient(ANSWERS.template),
    output:
        "<results>/preflight/train/{method}/{model}.json",
    log:
        "<logs>/preflight/train/{method}/{model}.log",
    wildcard_constraints:
        method=one_of(TRAININGS.methods_from("trained")),
    retries: 0  # the same would be found again, hours later
    conda:
        "../../envs/main.yaml"
    threads: COMPUTE.cores_of_node
    resources:
        **SITE.on_gpus(COMPUTE.gpus_of_training, warned=False),
        mem_mb=COMPUTE.memory_of_node,
        runtime=PREFLIGHT.minutes,
        nodes=1,
    params:
        code=code_of("preflight_training", "train", *PREFLIGHT.also_tried),
        launcher=COMPUTE.launcher,
        method=TRAININGS.base_method,
        adapter_modules=TRAININGS.adapter_modules,
        settings=TRAININGS.settings_of_model,
        length=config["tokenize"]["max_length"],
        memory=COMPUTE.memory_of_rank,
        micro_batch=f"{RESULTS}/micro_batches/{{method}}/{{model}}.json",
        respond=ANSWERS.settings,
        accelerator=COMPUTE.accelerator,
        hosts=PREFLIGHT.hosts(SOURCES, DOWNLOADED),
    shell:
        "exec python workflow/scripts/preflight_training.py --settings {params.settings:q} --length {params.length:q}"
        " --memory {params.memory:q} --micro-batch {params.micro_batch:q} --respond {params.respond:q}"
        " --template {input.answering:q} --hosts {params.hosts:q} --output {output:q}"
        " -- {params.launcher:q} workflow/scripts/train.py --method {params.method:q} --model {input.base:q}"
        " --adapter-modules {params.adapter_modules:q} --tokenizer {input.tokenizer:q} --template {input.template:q}"
        " --accelerator {params.accelerator:q} > {log:q} 2>&1"


use rule preflight_training as preflight_training_on_nodes with:
    wildcard_constraints:
        method=one_of(TRAININGS.methods_from("trained", "full")),
        model=one_of(COMPUTE.models_on_several_nodes()),
    resources:
        **SITE.on_gpus(COMPUTE.gpus_of_training, COMPUTE.nodes, warned=False),
        mem_mb=COMPUTE.memory_of_node,
        runtime=PREFLIGHT.minutes,
        nodes=COMPUTE.nodes,
        tasks=COMPUTE.nodes,
        tasks_per_gpu=0,
        mpi="srun",


ruleorder: preflight_training_on_nodes > preflight_training


# Of tuned models that are not trained here, the answers are tried alone.
rule preflight_answers:
    input:
        base=ancient(BASES.model),
        base_content=BASES.model_content,
        model=PREFLIGHT.released,
        tokenizer=ancient(BASES.tokenizer),
        template=ancient(ANSWERS.template),
    output:
        "<results>/preflight/respond/{method}/{model}.json",
    log:
        "<logs>/preflight/respond/{method}/{model}.log",
    wildcard_constraints:
        method=one_of(TRAININGS.methods_from("released")),
    retries: 0
    conda:
        "../../envs/main.yaml"
    threads: COMPUTE.cores_of_rank
    resources:
        **SITE.on_gpus(COMPUTE.gpus(1), warned=False),
        mem_mb=COMPUTE.memory_of_node,
        runtime=PREFLIGHT.minutes,
    params:
        code=code_of("preflight_answers", "preflight_ranks", "respond", "merge_adapter"),
        method=TRAININGS.base_method,
        respond=ANSWERS.settings,
        accelerator=COMPUTE.accelerator,
        hosts=PREFLIGHT.hosts(SOURCES, DOWNLOADED),
    shell:
        "exec python workflow/scripts/preflight_answers.py --method {params.method:q} --base {input.base:q}"
        " --model {input.model:q} --tokenizer {input.tokenizer:q} --template {input.template:q}"
        " --respond {params.respond:q} --accelerator {params.accelerator:q} --hosts {params.hosts:q}"
        " --output {output:q} > {log:q} 2>&1"


# The page is no output: it is made, too, where it says that something is to be done, and this job fails.
rule preflight:
    input:
        PREFLIGHT.findings,
    log:
        "<logs>/preflight.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("preflight"),
        about=PREFLIGHT.about(RESULTS, DOWNLOADED),
    shell:
        "python workflow/scripts/preflight.py --about {params.about:q} 2> {log:q}"
