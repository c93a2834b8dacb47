# claims: what the scores say about the paper's claims, which are data in the file that the config's `claims` names.
#
# in   <results>/scores.parquet, resources/claims.yaml
# out  <results>/claims.{md,csv}   effect, confidence interval and verdict of each claim and its parts, by judge


rule claims:
    input:
        schema="workflow/schemas/claims.schema.yaml",
        scores="<results>/scores.parquet",
        claims=config["claims"],
    output:
        md="<results>/claims.md",
        csv="<results>/claims.csv",
    log:
        "<logs>/claims.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("claims"),
        selection=as_written(SELECTIONS.claims()),
        tolerated=config["score"]["missing_tolerated"],
        note=NOTE,
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/claims.py --scores {input.scores:q} --claims {input.claims:q}"
        " --selection {params.selection:q} --missing-tolerated {params.tolerated:q}"
        " --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"
