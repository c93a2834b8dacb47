# exports: results in the formats that other programs read. No figure needs them; `all_exports` makes them.
#
# in   <results>/scores.parquet; <results>/seed/train.jsonl, <results>/translated/{lang}.jsonl; for the crate, figures,
#          tables, claims, the tuned models and all data that the study read; CITATION.cff
# out  <results>/exports/alpaca_eval/{training}/model_outputs.json           answers, for alpaca_eval
#      <results>/exports/alpaca_eval/{training}/{judge}/ratings.json         the judge's ratings of them
#      <results>/exports/alpaca_eval/{training}/{judge}/annotations.json     preferences, to the multilingual recipe
#      <results>/exports/translations/   README.md, data/{lang}.parquet      a data set, for `datasets`
#      <results>/exports/ro-crate-metadata.json, README.md, run/, code/      the run as a Workflow Run RO-Crate
#      <results>/exports/zenodo.json                                         about an upload of all this, for Zenodo


rule export_answers:
    input:
        scores="<results>/scores.parquet",
    output:
        directory("<results>/exports/alpaca_eval"),
    log:
        "<logs>/export_answers.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("export_answers"),
        reference=["--reference", "multilingual"] if "multilingual" in RECIPES.mixes else [],
    shell:
        "python workflow/scripts/export_answers.py --scores {input.scores:q} {params.reference:q}"
        " --output {output:q} 2> {log:q}"


rule export_translations:
    input:
        rows=[RECIPES.rows_in(lang) for lang in MATRIX.trained],
        languages=ancient(LANGUAGE_TABLE),
    output:
        directory("<results>/exports/translations"),
    log:
        "<logs>/export_translations.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("export_translations"),
        rows=lambda wildcards, input: EXPORTS.origins(input.rows),
        title=config["experiment"],
        note=NOTE,
    shell:
        "python workflow/scripts/export_translations.py {params.rows:q}"
        " --languages {input.languages:q} --title={params.title:q} --note={params.note:q} --output {output:q}"
        " 2> {log:q}"


rule export_crate:
    input:
        config="<results>/config.yaml",
        results=EXPORTS.results,
        data=EXPORTS.data,
        models=ARTIFACTS.models,
        parts=EXPORTS.parts,
    output:
        crate="<results>/exports/ro-crate-metadata.json",
        readme="<results>/exports/README.md",
        run=directory("<results>/exports/run"),
        code=directory("<results>/exports/code"),
    log:
        "<logs>/export_crate.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("export_crate"),
        data=lambda wildcards, input: EXPORTS.data_options(input.data),
        urls=EXPORTS.url_options,
        title=config["experiment"],
        note=NOTE,
        base=lambda wildcards, input: input.config.removesuffix("config.yaml"),
        crate=lambda wildcards, output: output.crate.removesuffix("ro-crate-metadata.json"),
    shell:
        "python workflow/scripts/export_crate.py --title={params.title:q} --note={params.note:q}"
        " --config {input.config:q} --base {params.base:q} --results {input.results:q}"
        " {params.data:q} {params.urls:q} --models {input.models:q} --output {params.crate:q} 2> {log:q}"


rule export_zenodo:
    input:
        crate="<results>/exports/ro-crate-metadata.json",
    output:
        "<results>/exports/zenodo.json",
    log:
        "<logs>/export_zenodo.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("export_zenodo"),
        licence=EXPORTS.licence_options,
    shell:
        "python workflow/scripts/export_zenodo.py --crate {input.crate:q}"
        " {params.licence:q} --output {output:q} 2> {log:q}"
