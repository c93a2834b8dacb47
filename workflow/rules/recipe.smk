# recipe: rows of one or more languages, drawn under a budget, without those that have a flag in `drop_flags`; the same
# ids are held out in every recipe (or else rows of the mix: `hold_out`).
#
# in   <results>/seed/train.jsonl, <results>/translated/{lang}.jsonl
# out  <results>/recipes/{recipe}/   train.parquet, validation.parquet (id, lang, instruction, input, output),
#                                    manifest.json


rule recipe:
    input:
        rows=RECIPES.row_files,
    output:
        directory("<results>/recipes/{recipe}"),
    log:
        "<logs>/recipe/{recipe}.log",
    conda:
        "../../envs/main.yaml"
    resources:  # a recipe and its tokens are one submission
        runtime=10,
        in_turn=1,
    params:
        code=code_of("recipe"),
        languages=RECIPES.language_options,
        rows=RECIPES.rows,
        shares=RECIPES.share_options,
        validation_rows=config["recipe"]["validation_rows"],
        hold_out=config["recipe"]["hold_out"],
        drop_flags=RECIPES.drop_flag_options,
        seed=config["random_seed"],
        sample=RECIPES.sample_options,
    shell:
        "python workflow/scripts/recipe.py --name {wildcards.recipe:q} {params.languages:q} --rows {params.rows:q}"
        " {params.shares:q}"
        " --validation-rows {params.validation_rows:q} --hold-out {params.hold_out:q} {params.drop_flags:q}"
        " --seed {params.seed:q} {params.sample:q} --output {output:q} 2> {log:q}"
