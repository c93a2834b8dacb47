# exports: results in the formats that other programs read. No figure needs them; `all_exports` makes them.
#
# in   <results>/scores.parquet
# out  <results>/exports/alpaca_eval/{training}/model_outputs.json           answers, for alpaca_eval
#      <results>/exports/alpaca_eval/{training}/{judge}/ratings.json         the judge's ratings of them
#      <results>/exports/alpaca_eval/{training}/{judge}/annotations.json     preferences, to the multilingual recipe


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
