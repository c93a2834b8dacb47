# translate: the seed data in every training language, translated by Bergamot in shards or taken from a file; flagged.
#
# in   <results>/seed/train.jsonl, the language identifier
#      <results>/translation_models/{lang}/; or translations (`translation.source`)
# out  <results>/seed/segments.jsonl                      what needs translation, without duplicates, in requests
#      <results>/translated/{lang}/shards/{shard}.jsonl   segments of one shard
#      <results>/translated/{lang}/rows.jsonl             the same ids as the seed, in the same order
#      <results>/translated/{lang}.jsonl                  the same with quality flags
#      <results>/translated/{lang}/report.{md,png}        how often each flag was given, and examples
# The journals of the shards are in <results>/journals/translate/.


rule take_translation:
    input:
        seed="<results>/seed/train.jsonl",
        taken=TRANSLATIONS.file,
        sampled_from=SOURCES.sampled_from,
    output:
        "<results>/translated/{lang}/rows.jsonl",
    log:
        "<logs>/take_translation/{lang}.log",
    wildcard_constraints:
        lang=TRANSLATIONS.from_files(),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("take_translation"),
        sampled_from=lambda wildcards, input: ["--sampled-from", *input.sampled_from] if input.sampled_from else [],
    shell:
        "python workflow/scripts/take_translation.py --seed {input.seed:q} --input {input.taken:q}"
        " {params.sampled_from:q}"
        " --output {output:q} 2> {log:q}"


rule segment:
    input:
        seed="<results>/seed/train.jsonl",
    output:
        "<results>/seed/segments.jsonl",
    log:
        "<logs>/segment.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("segment"),
        chunk_rows=config["translation"]["chunk_rows"],
    shell:
        "python workflow/scripts/segment.py --seed {input.seed:q} --chunk-rows {params.chunk_rows:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule translate_shard:
    input:
        segments="<results>/seed/segments.jsonl",
        model="<results>/translation_models/{lang}",
    output:
        "<results>/translated/{lang}/shards/{shard}.jsonl",
    log:
        "<logs>/translate/{lang}/{shard}.log",
    benchmark:
        "<benchmarks>/translate/{lang}/{shard}.tsv"
    conda:
        "../../envs/bergamot.yaml"
    threads: config["translation"]["workers"]
    resources:  # a language is one submission, whose time is the sum over its jobs
        runtime=12,
        in_turn=1,
    params:
        code=code_of("translate_shard", "bergamot_engine"),
        shards=config["translation"]["shards"],
        python=config["translation"]["python"],
        kernels=config["translation"]["kernels"],
        journal=f"{RESULTS}/journals/translate/{{lang}}/{{shard}}.jsonl",
    shell:
        "python workflow/scripts/translate_shard.py --segments {input.segments:q} --model {input.model:q}"
        " --language {wildcards.lang:q}"
        " --shard {wildcards.shard:q} --shards {params.shards:q} --engine-python {params.python:q}"
        " --workers {threads:q} --kernels {params.kernels:q}"
        " --journal {params.journal:q} --output {output:q} 2> {log:q}"


rule translate:
    input:
        seed="<results>/seed/train.jsonl",
        segments="<results>/seed/segments.jsonl",
        shards=expand(
            "<results>/translated/{{lang}}/shards/{shard}.jsonl", shard=range(config["translation"]["shards"])
        ),
    output:
        "<results>/translated/{lang}/rows.jsonl",
    log:
        "<logs>/translate/{lang}.log",
    wildcard_constraints:
        lang=TRANSLATIONS.from_models("firefox", "packed"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    resources:
        runtime=10,
    params:
        code=code_of("translate"),
    shell:
        "python workflow/scripts/translate.py --seed {input.seed:q} --segments {input.segments:q}"
        " --shards {input.shards:q}"
        " --output {output:q} 2> {log:q}"


rule flag_translation:
    input:
        seed="<results>/seed/train.jsonl",
        rows="<results>/translated/{lang}/rows.jsonl",
        languages=ancient(LANGUAGE_TABLE),
        identifier=IDENTIFICATION.model,
    output:
        rows="<results>/translated/{lang}.jsonl",
        report="<results>/translated/{lang}/report.md",
        picture="<results>/translated/{lang}/report.png",
    log:
        "<logs>/flag_translation/{lang}.log",
    benchmark:
        "<benchmarks>/flag_translation/{lang}.tsv"
    conda:
        "../../envs/main.yaml"
    resources:
        runtime=15,
    params:
        code=code_of("flag_translation"),
        labels=IDENTIFICATION.translation_labels,
        table=IDENTIFICATION.label_options,
        normalise=IDENTIFICATION.normalise,
    shell:
        "python workflow/scripts/flag_translation.py --seed {input.seed:q} --rows {input.rows:q}"
        " --language {wildcards.lang:q}"
        " --languages {input.languages:q} {params.table:q} --normalise {params.normalise:q}"
        " --model {input.identifier:q} --output {output.rows:q}"
        " --report {output.report:q} --picture {output.picture:q} 2> {log:q}"
