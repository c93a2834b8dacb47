# translate: the seed data in every training language, by Bergamot in shards, or taken from elsewhere; then flagged.
#
# in   <results>/seed/train.jsonl, the language identifier
#      resources/translation-models.json, or packed models (`translation.packed`); or translations (`translation.source`)
# out  <results>/seed/segments.jsonl                      what of it is to be translated, once, in requests
#      <results>/translation_models/{lang}/               the engine's files, checked and unpacked
#      <results>/translated/{lang}/shards/{shard}.jsonl   segments of one shard
#      <results>/translated/{lang}/rows.jsonl             the same ids, count and order as the seed
#      <results>/translated/{lang}.jsonl                  the same with quality flags
#      <results>/translated/{lang}/report.{md,png}        how often each flag was given, and examples
# The journals of the shards lie in <results>/journals/translate/.


rule fetch_translation_model:
    input:
        script="workflow/scripts/translation_model.py",
        shared=imports_of("translation_model"),
        registry="resources/translation-models.json",
    output:
        directory("<results>/translation_models/{lang}"),
    log:
        "<logs>/translation_model/{lang}.log",
    wildcard_constraints:
        lang=from_source("firefox"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        architecture=lambda wildcards: TRANSLATION["architecture"][wildcards.lang],
    shell:
        "python {input.script:q} --registry {input.registry:q} --language {wildcards.lang:q}"
        " --architecture {params.architecture:q} --output {output:q} 2> {log:q}"


rule unpack_translation_model:
    input:
        script="workflow/scripts/translation_model.py",
        shared=imports_of("translation_model"),
        packed=packed_model,
        checksums=lambda wildcards: checksums_of(packed_model(wildcards)),
    output:
        directory("<results>/translation_models/{lang}"),
    log:
        "<logs>/translation_model/{lang}.log",
    wildcard_constraints:
        lang=from_source("packed"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    shell:
        "python {input.script:q} --packed {input.packed:q} --checksums {input.checksums:q} --output {output:q}"
        " 2> {log:q}"


rule take_translation:
    input:
        script="workflow/scripts/take_translation.py",
        shared=imports_of("take_translation"),
        seed="<results>/seed/train.jsonl",
        taken=taken_file,
    output:
        "<results>/translated/{lang}/rows.jsonl",
    log:
        "<logs>/take_translation/{lang}.log",
    wildcard_constraints:
        lang=from_source(),
    localrule: True
    conda:
        "../../envs/main.yaml"
    shell:
        "python {input.script:q} --seed {input.seed:q} --input {input.taken:q} --output {output:q} 2> {log:q}"


rule segment:
    input:
        script="workflow/scripts/segment.py",
        shared=imports_of("segment"),
        seed="<results>/seed/train.jsonl",
    output:
        "<results>/seed/segments.jsonl",
    log:
        "<logs>/segment.log",
    conda:
        "../../envs/main.yaml"
    params:
        chunk_rows=TRANSLATION["chunk_rows"],
    shell:
        "python {input.script:q} --seed {input.seed:q} --chunk-rows {params.chunk_rows:q} --output {output:q}"
        " 2> {log:q}"


rule translate_shard:
    input:
        script="workflow/scripts/translate_shard.py",
        engine="workflow/scripts/bergamot_engine.py",
        shared=imports_of("translate_shard"),
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
    threads: TRANSLATION["workers"]
    params:
        shards=TRANSLATION["shards"],
        python=TRANSLATION["python"],
        journal=f"{RESULTS}/journals/translate/{{lang}}/{{shard}}.jsonl",
    shell:
        "python {input.script:q} --segments {input.segments:q} --model {input.model:q} --language {wildcards.lang:q}"
        " --shard {wildcards.shard:q} --shards {params.shards:q} --engine-python {params.python:q}"
        " --workers {threads:q} --journal {params.journal:q} --output {output:q} 2> {log:q}"


rule translate:
    input:
        script="workflow/scripts/translate.py",
        shared=imports_of("translate"),
        seed="<results>/seed/train.jsonl",
        segments="<results>/seed/segments.jsonl",
        shards=expand("<results>/translated/{{lang}}/shards/{shard}.jsonl", shard=range(TRANSLATION["shards"])),
    output:
        "<results>/translated/{lang}/rows.jsonl",
    log:
        "<logs>/translate/{lang}.log",
    wildcard_constraints:
        lang=from_source("firefox", "packed"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    shell:
        "python {input.script:q} --seed {input.seed:q} --segments {input.segments:q} --shards {input.shards:q}"
        " --output {output:q} 2> {log:q}"


rule flag_translation:
    input:
        script="workflow/scripts/flag_translation.py",
        shared=imports_of("flag_translation"),
        seed="<results>/seed/train.jsonl",
        rows="<results>/translated/{lang}/rows.jsonl",
        languages=LANGUAGE_TABLE,
        identifier=identifier_file(),
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
    params:
        labels=lambda wildcards: labels_in([wildcards.lang]),
    shell:
        "python {input.script:q} --seed {input.seed:q} --rows {input.rows:q} --language {wildcards.lang:q}"
        " --languages {input.languages:q} --model {input.identifier:q} --output {output.rows:q}"
        " --report {output.report:q} --picture {output.picture:q} 2> {log:q}"
