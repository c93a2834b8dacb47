# preflight_services: the other kinds of preflight.smk: translation, language identification, and each judge.
#
# in   <results>/seed/train.jsonl and a model of the translation engine; the language identifier, and texts of
#      `controls`; an entry of `judges`, and the record of its weights
# out  <results>/preflight/translate/{lang}.json   rows/s of 128 rows, by core; the processor
#      <results>/preflight/identify.json           the languages found of ten lines, seconds, memory
#      <results>/preflight/judge/{judge}.json      seconds of its server's start and of a call, and its rating
#      <results>/preflight/judge/{judge}.server.log   what its server said
# A judge at an API is asked where its ratings are asked for; the reply is in its journals, so its cost counts.


rule preflight_translation:
    input:
        seed="<results>/seed/train.jsonl",
        model="<results>/translation_models/{lang}",
    output:
        "<results>/preflight/translate/{lang}.json",
    log:
        "<logs>/preflight/translate/{lang}.log",
    retries: 0
    conda:
        "../../envs/bergamot.yaml"
    threads: config["translation"]["workers"]
    resources:
        runtime=PREFLIGHT.minutes,
    params:
        code=code_of("preflight_translation", "segment", "translate_shard", "bergamot_engine"),
        chunk_rows=config["translation"]["chunk_rows"],
        python=config["translation"]["python"],
        kernels=config["translation"]["kernels"],
        hosts=PREFLIGHT.hosts(SOURCES, DOWNLOADED),
    shell:
        "exec python workflow/scripts/preflight_translation.py --seed {input.seed:q} --model {input.model:q}"
        " --language {wildcards.lang:q} --chunk-rows {params.chunk_rows:q} --engine-python {params.python:q}"
        " --workers {threads:q} --kernels {params.kernels:q} --hosts {params.hosts:q}"
        " --output {output:q} > {log:q} 2>&1"


rule preflight_identifier:
    input:
        languages=ancient(LANGUAGE_TABLE),
        model=IDENTIFICATION.model,
        texts=list(CONTROLS.files.values()),
    output:
        "<results>/preflight/identify.json",
    log:
        "<logs>/preflight/identify.log",
    retries: 0
    conda:
        "../../envs/main.yaml"
    resources:
        mem_mb=3000,  # as the rule langid
        runtime=PREFLIGHT.minutes,
    params:
        code=code_of("preflight_identifier", "langid"),
        texts=CONTROLS.options,
        table=IDENTIFICATION.label_options,
        normalise=IDENTIFICATION.normalise,
        hosts=PREFLIGHT.hosts(SOURCES, DOWNLOADED),
    shell:
        "exec python workflow/scripts/preflight_identifier.py --model {input.model:q} --languages {input.languages:q}"
        " --texts {params.texts:q} {params.table:q} --normalise {params.normalise:q} --hosts {params.hosts:q}"
        " --output {output:q} > {log:q} 2>&1"


rule preflight_judge:
    input:
        template="resources/templates/judge.txt",
        files=JUDGES.files,
        weights=PREFLIGHT.weights_of,
    output:
        "<results>/preflight/judge/{judge}.json",
    log:
        "<logs>/preflight/judge/{judge}.log",
    retries: 0
    conda:
        "../../envs/main.yaml"
    resources:
        runtime=PREFLIGHT.minutes,
    params:
        code=code_of("preflight_judge"),
        judge=JUDGES.settings,
        journals=f"{RESULTS}/journals/judge/{{judge}}",
        controls=[word for path in list(CONTROLS.files.values())[:1] for word in ("--controls", path)],
        weights=lambda wildcards, input: ["--weights", *input.weights] if input.weights else [],
        hosts=PREFLIGHT.hosts(SOURCES, DOWNLOADED),
    shell:
        "exec python workflow/scripts/preflight_judge.py --judge {params.judge:q} --template {input.template:q}"
        " --journals {params.journals:q} {params.controls:q} {params.weights:q} --hosts {params.hosts:q}"
        " --output {output:q} > {log:q} 2>&1"


use rule preflight_judge as preflight_judge_at_api with:
    wildcard_constraints:
        judge=JUDGES.at_apis(),
    localrule: True
    resources:
        judging=JUDGES.turns,


use rule preflight_judge as preflight_judge_on_gpu with:
    wildcard_constraints:
        judge=JUDGES.on_gpus(),
    threads: JUDGES.cores
    resources:
        **SITE.on_gpus(JUDGES.gpus, warned=False),
        mem_mb=JUDGES.memory,
        runtime=PREFLIGHT.minutes,
        nodes=1,


ruleorder: preflight_judge_at_api > preflight_judge_on_gpu > preflight_judge
