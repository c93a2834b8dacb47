# recipe: rows of one or more languages, drawn under a budget, with the same ids held out everywhere (or rows of the mix:
# `hold_out`); rows with a flag of `drop_flags` left out.
#
# in   <results>/seed/train.jsonl, <results>/translated/{lang}.jsonl
# out  <results>/recipes/{recipe}/   train.parquet, validation.parquet (id, lang, instruction, input, output),
#                                    manifest.json


rule recipe:
    input:
        script="workflow/scripts/recipe.py",
        shared=imports_of("recipe"),
        rows=lambda wildcards: [rows_in(lang) for lang in RECIPES[wildcards.recipe]["languages"]],
    output:
        directory("<results>/recipes/{recipe}"),
    log:
        "<logs>/recipe/{recipe}.log",
    conda:
        "../../envs/main.yaml"
    params:
        languages=lambda wildcards, input: [
            f"--language {lang}={path}"
            for lang, path in zip(RECIPES[wildcards.recipe]["languages"], input.rows, strict=True)
        ],
        rows=lambda wildcards: RECIPES[wildcards.recipe].get("rows", "all"),
        mixing=mixing,
        validation_rows=config["recipe"]["validation_rows"],
        hold_out=config["recipe"]["hold_out"],
        drop_flags=drop_flags,
        seed=config["random_seed"],
    shell:
        "python {input.script} --name {wildcards.recipe} {params.languages} --rows {params.rows} {params.mixing}"
        " --validation-rows {params.validation_rows} --hold-out {params.hold_out} {params.drop_flags}"
        " --seed {params.seed} --output {output} 2> {log}"
