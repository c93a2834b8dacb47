# recipe: rows of one or more languages, drawn under a budget, with the same ids held out everywhere (or rows of the mix:
# `hold_out`); rows with a flag of `drop_flags` left out.
#
# in   <results>/seed/train.jsonl, <results>/translated/{lang}.jsonl
# out  <results>/recipes/{recipe}/   train.parquet, validation.parquet (id, lang, instruction, input, output),
#                                    manifest.json


rule recipe:
    input:
        rows=lambda wildcards: [rows_in(lang) for lang in RECIPES[wildcards.recipe]["languages"]],
    output:
        directory("<results>/recipes/{recipe}"),
    log:
        "<logs>/recipe/{recipe}.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("recipe"),
        languages=lambda wildcards, input: [
            word
            for lang, path in zip(RECIPES[wildcards.recipe]["languages"], input.rows, strict=True)
            for word in ("--language", f"{lang}={path}")
        ],
        rows=lambda wildcards: RECIPES[wildcards.recipe].get("rows", "all"),
        mixing=mixing,
        validation_rows=config["recipe"]["validation_rows"],
        hold_out=config["recipe"]["hold_out"],
        drop_flags=drop_flags,
        seed=config["random_seed"],
    shell:
        "python workflow/scripts/recipe.py --name {wildcards.recipe:q} {params.languages:q} --rows {params.rows:q}"
        " {params.mixing:q}"
        " --validation-rows {params.validation_rows:q} --hold-out {params.hold_out:q} {params.drop_flags:q}"
        " --seed {params.seed:q} --output {output:q} 2> {log:q}"
