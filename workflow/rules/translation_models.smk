# translation_models: the engine's models, one for each target language.
#
# in   resources/translation-models.json (`translation.source: firefox`), or packed models (`translation.packed`)
# out  <results>/translation_models/{lang}/   the engine's files, checked and unpacked


rule fetch_translation_model:
    input:
        registry="resources/translation-models.json",
    output:
        directory("<results>/translation_models/{lang}"),
    log:
        "<logs>/translation_model/{lang}.log",
    wildcard_constraints:
        lang=TRANSLATIONS.from_models("firefox"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("translation_model"),
        architecture=TRANSLATIONS.architecture,
    shell:
        "python workflow/scripts/translation_model.py --registry {input.registry:q} --language {wildcards.lang:q}"
        " --architecture {params.architecture:q} --output {output:q} 2> {log:q}"


rule unpack_translation_model:
    input:
        packed=TRANSLATIONS.packed_model,
        checksums=TRANSLATIONS.checksums,
    output:
        directory("<results>/translation_models/{lang}"),
    log:
        "<logs>/translation_model/{lang}.log",
    wildcard_constraints:
        lang=TRANSLATIONS.from_models("packed"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("translation_model"),
    shell:
        "python workflow/scripts/translation_model.py --packed {input.packed:q} --checksums {input.checksums:q}"
        " --output {output:q}"
        " 2> {log:q}"
