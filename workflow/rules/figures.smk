# figures, tables, summary: what a reader looks at.
#
# in   <results>/scores/{judge}/... of the runs that a figure shows (the first judge); <results>/scores.parquet
# out  <results>/figures/figure{number}.{pdf,png,csv,json}, figure{number}-column.{pdf,png}
#          as wide as a page's text, and as a column; every plotted number; where they come from
#      <results>/tables/{table1,table2,languages}.{md,csv}, scores.{md,csv,tex}
#      <results>/summary.md
#      <results>/config.yaml   the merged config that all of it was made with


rule figure:
    input:
        scores=shown_scores,
        config="<results>/config.yaml",
        fonts=FONTS,
    output:
        pdf="<results>/figures/figure{number}.pdf",
        png=report(
            "<results>/figures/figure{number}.png",
            category="Figures",
            caption="../report/figure.rst",
            labels={"figure": "Figure {number}"},
        ),
        csv="<results>/figures/figure{number}.csv",
        json="<results>/figures/figure{number}.json",
        column=expand("<results>/figures/figure{{number}}-column.{kind}", kind=["pdf", "png"]),
    log:
        "<logs>/figure/{number}.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("figure"),
        settings=figure_settings,
        prefix=lambda wildcards, output: output.pdf.removesuffix(".pdf"),
    shell:
        "python workflow/scripts/figure.py --scores {input.scores:q} --figure {params.settings:q}"
        " --config {input.config:q}"
        " --fonts resources/fonts --output-prefix {params.prefix:q} 2> {log:q}"


rule table1:
    output:
        md="<results>/tables/table1.md",
        csv="<results>/tables/table1.csv",
    log:
        "<logs>/table1.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("table1"),
        settings=table1_settings(),
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/table1.py --settings {params.settings:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule table2:
    input:
        scores="<results>/scores.parquet",
    output:
        md="<results>/tables/table2.md",
        csv="<results>/tables/table2.csv",
    log:
        "<logs>/table2.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("table2"),
        note=config["note"],
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/table2.py --scores {input.scores:q} --note={params.note:q}"
        " --output-prefix {params.prefix:q}"
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
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("score_table"),
        prompts=config["data"]["prompts_expected"],
        uncertainty=UNCERTAINTY,
        models=list(dict.fromkeys(run.model for run in RUNS)),
        languages=[f"{lang}={LANGUAGE_NAMES[lang]}" for lang in TESTED],
        note=config["note"],
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/score_table.py --scores {input.scores:q} --prompts {params.prompts:q}"
        " --level {params.uncertainty[level]:q} --resamples {params.uncertainty[resamples]:q}"
        " --seed {params.uncertainty[seed]:q} --models {params.models:q} --languages {params.languages:q}"
        " --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule language_table:
    input:
        scores="<results>/scores.parquet",
    output:
        md="<results>/tables/languages.md",
        csv="<results>/tables/languages.csv",
    log:
        "<logs>/language_table.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("language_table"),
        models=list(dict.fromkeys(run.model for run in RUNS)),
        languages=TESTED,
        note=config["note"],
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/language_table.py --scores {input.scores:q} --models {params.models:q}"
        " --languages {params.languages:q}"
        " --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule summary:
    input:
        scores="<results>/scores.parquet",
        figures=FIGURE_FILES,
        tables=[*TABLE_FILES, *JUDGE_FILES, *CLAIM_FILES],
        costs="<results>/tables/costs.csv",
        judges="<results>/judges.csv",
    output:
        "<results>/summary.md",
    log:
        "<logs>/summary.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("summary"),
        judge=FIRST_JUDGE["label"],
        note=config["note"],
        models=list(dict.fromkeys(run.model for run in RUNS)),
        languages=TESTED,
    shell:
        "python workflow/scripts/summary.py --scores {input.scores:q} --figures {input.figures:q}"
        " --tables {input.tables:q}"
        " --costs {input.costs:q} --judge-costs {input.judges:q} --models {params.models:q}"
        " --languages {params.languages:q} --judge {params.judge:q} --note={params.note:q} --output {output:q}"
        " 2> {log:q}"


rule config_copy:
    output:
        "<results>/config.yaml",
    log:
        "<logs>/config_copy.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("config_copy"),
        text=lambda wildcards: yaml.safe_dump(made_with(GIVEN), allow_unicode=True, sort_keys=False),
    shell:
        "python workflow/scripts/config_copy.py --text={params.text:q} --output {output:q} 2> {log:q}"
