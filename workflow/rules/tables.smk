# tables: the numbers behind the figures, and a summary of everything.
#
# in   <results>/scores.parquet; for the summary, every figure, table and claim, and the page of answers
# out  <results>/tables/{table1,table2,languages}.{md,csv}, scores.{md,csv,tex}
#      <results>/summary.md


rule table1:
    output:
        md="<results>/tables/table1.md",
        csv="<results>/tables/table1.csv",
    log:
        "<logs>/table1.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("table1"),
        settings=as_written(SELECTIONS.hyperparameters()),
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/table1.py --settings {params.settings:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule table2:
    input:
        scores="<results>/scores.parquet",
        languages=ancient(LANGUAGE_TABLE),
    output:
        md="<results>/tables/table2.md",
        csv="<results>/tables/table2.csv",
    log:
        "<logs>/table2.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("table2"),
        names=as_written(SELECTIONS.names()),
        labels=IDENTIFICATION.label_options,
        note=NOTE,
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/table2.py --scores {input.scores:q} --names {params.names:q}"
        " --languages {input.languages:q} {params.labels:q} --note={params.note:q} --output-prefix {params.prefix:q}"
        " 2> {log:q}"


rule score_table:
    input:
        scores="<results>/scores.parquet",
    output:
        md="<results>/tables/scores.md",
        csv="<results>/tables/scores.csv",
        tex="<results>/tables/scores.tex",
    log:
        "<logs>/score_table.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("score_table"),
        prompts=config["data"]["prompts_used"],
        uncertainty=SELECTIONS.uncertainty,
        names=as_written(SELECTIONS.names()),
        note=NOTE,
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/score_table.py --scores {input.scores:q} --prompts {params.prompts:q}"
        " --level {params.uncertainty[level]:q} --resamples {params.uncertainty[resamples]:q}"
        " --seed {params.uncertainty[seed]:q} --names {params.names:q}"
        " --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule language_table:
    input:
        scores="<results>/scores.parquet",
    output:
        md="<results>/tables/languages.md",
        csv="<results>/tables/languages.csv",
    log:
        "<logs>/language_table.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("language_table"),
        names=as_written(SELECTIONS.names()),
        note=NOTE,
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/language_table.py --scores {input.scores:q} --names {params.names:q}"
        " --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule summary:
    input:
        scores="<results>/scores.parquet",
        figures=ARTIFACTS.figures,
        tables=[*ARTIFACTS.tables, *ARTIFACTS.judges, *ARTIFACTS.claims],
        answers="<results>/answers.html",
        costs="<results>/tables/costs.csv",
        judges="<results>/judges.csv",
    output:
        "<results>/summary.md",
    log:
        "<logs>/summary.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("summary"),
        judge=as_written(JUDGES.first["label"]),
        tolerated=config["score"]["missing_tolerated"],
        note=NOTE,
        names=as_written(SELECTIONS.names()),
    shell:
        "python workflow/scripts/summary.py --scores {input.scores:q} --figures {input.figures:q}"
        " --tables {input.tables:q} --answers {input.answers:q}"
        " --costs {input.costs:q} --judge-report {input.judges:q} --missing-tolerated {params.tolerated:q}"
        " --names {params.names:q} --judge {params.judge:q} --note={params.note:q} --output {output:q}"
        " 2> {log:q}"
