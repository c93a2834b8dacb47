# exports: results in the formats that other programs read. No figure needs them; `all_exports` makes them.
#
# in   <results>/scores.parquet; <results>/seed/train.jsonl, <results>/translated/{lang}.jsonl
# out  <results>/exports/alpaca_eval/{training}/model_outputs.json           answers, for alpaca_eval
#      <results>/exports/alpaca_eval/{training}/{judge}/ratings.json         the judge's ratings of them
#      <results>/exports/alpaca_eval/{training}/{judge}/annotations.json     preferences, to the multilingual recipe
#      <results>/exports/translations/   README.md, data/{lang}.parquet      a data set, for `datasets`


from study.recipes import file_options


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
        rows=lambda wildcards, input: file_options("--rows", MATRIX.trained, input.rows),
        origins=file_options("--origin", MATRIX.trained, TRANSLATIONS.origins(MATRIX.trained)),
        title=config["experiment"],
        note=config["note"],
    shell:
        "python workflow/scripts/export_translations.py {params.rows:q} {params.origins:q}"
        " --languages {input.languages:q} --title={params.title:q} --note={params.note:q} --output {output:q}"
        " 2> {log:q}"
