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
        code=code_of("translation_model"),
        architecture=lambda wildcards: TRANSLATION["architecture"][wildcards.lang],
    shell:
        "python workflow/scripts/translation_model.py --registry {input.registry:q} --language {wildcards.lang:q}"
        " --architecture {params.architecture:q} --output {output:q} 2> {log:q}"


rule unpack_translation_model:
    input:
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
    params:
        code=code_of("translation_model"),
    shell:
        "python workflow/scripts/translation_model.py --packed {input.packed:q} --checksums {input.checksums:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule take_translation:
    input:
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
    params:
        code=code_of("take_translation"),
    shell:
        "python workflow/scripts/take_translation.py --seed {input.seed:q} --input {input.taken:q}"
        " --output {output:q} 2> {log:q}"


rule segment:
    input:
        seed="<results>/seed/train.jsonl",
    output:
        "<results>/seed/segments.jsonl",
    log:
        "<logs>/segment.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("segment"),
        chunk_rows=TRANSLATION["chunk_rows"],
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
    threads: TRANSLATION["workers"]
    params:
        code=code_of("translate_shard", "bergamot_engine"),
        shards=TRANSLATION["shards"],
        python=TRANSLATION["python"],
        journal=f"{RESULTS}/journals/translate/{{lang}}/{{shard}}.jsonl",
    shell:
        "python workflow/scripts/translate_shard.py --segments {input.segments:q} --model {input.model:q}"
        " --language {wildcards.lang:q}"
        " --shard {wildcards.shard:q} --shards {params.shards:q} --engine-python {params.python:q}"
        " --workers {threads:q} --journal {params.journal:q} --output {output:q} 2> {log:q}"


rule translate:
    input:
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
        code=code_of("flag_translation"),
        labels=lambda wildcards: labels_in([wildcards.lang]),
    shell:
        "python workflow/scripts/flag_translation.py --seed {input.seed:q} --rows {input.rows:q}"
        " --language {wildcards.lang:q}"
        " --languages {input.languages:q} --model {input.identifier:q} --output {output.rows:q}"
        " --report {output.report:q} --picture {output.picture:q} 2> {log:q}"
