# translate: the seed data in every training language, by Bergamot, in shards.
#
# in   <results>/seed/train.jsonl
#      resources/translation-models.json, or packed models (`translation.packed`)
# out  <results>/translation_models/{lang}/               the engine's files, checked and unpacked
#      <results>/translated/{lang}/shards/{shard}.jsonl   rows of one shard
#      <results>/translated/{lang}.jsonl                  the same ids, count and order as the seed, with flags
# The journals of the shards lie in <results>/journals/translate/.


if TRANSLATION["source"] == "firefox":

    rule fetch_translation_model:
        input:
            script="workflow/scripts/translation_model.py",
            shared=imports_of("translation_model"),
            registry="resources/translation-models.json",
        output:
            directory("<results>/translation_models/{lang}"),
        log:
            "<logs>/translation_model/{lang}.log",
        localrule: True
        conda:
            "../../envs/main.yaml"
        params:
            architecture=TRANSLATION["architecture"],
        shell:
            "python {input.script} --registry {input.registry} --language {wildcards.lang}"
            " --architecture {params.architecture} --output {output} 2> {log}"

else:

    rule unpack_translation_model:
        input:
            script="workflow/scripts/translation_model.py",
            shared=imports_of("translation_model"),
            packed=TRANSLATION["packed"],
        output:
            directory("<results>/translation_models/{lang}"),
        log:
            "<logs>/translation_model/{lang}.log",
        localrule: True
        conda:
            "../../envs/main.yaml"
        shell:
            "python {input.script} --packed {input.packed} --output {output} 2> {log}"


rule translate_shard:
    input:
        script="workflow/scripts/translate_shard.py",
        engine="workflow/scripts/bergamot_engine.py",
        shared=imports_of("translate_shard"),
        seed="<results>/seed/train.jsonl",
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
        chunk_rows=TRANSLATION["chunk_rows"],
        python=TRANSLATION["python"],
        journal=f"{RESULTS}/journals/translate/{{lang}}/{{shard}}.jsonl",
    shell:
        "python {input.script} --seed {input.seed} --model {input.model} --language {wildcards.lang}"
        " --shard {wildcards.shard} --shards {params.shards} --chunk-rows {params.chunk_rows}"
        " --engine-python {params.python:q} --workers {threads} --journal {params.journal}"
        " --output {output} 2> {log}"


rule translate:
    input:
        script="workflow/scripts/translate.py",
        shared=imports_of("translate"),
        seed="<results>/seed/train.jsonl",
        shards=expand("<results>/translated/{{lang}}/shards/{shard}.jsonl", shard=range(TRANSLATION["shards"])),
    output:
        "<results>/translated/{lang}.jsonl",
    log:
        "<logs>/translate/{lang}.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    shell:
        "python {input.script} --seed {input.seed} --shards {input.shards} --output {output} 2> {log}"
