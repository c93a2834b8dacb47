# costs: the measured cost of the trainings, and what a budget buys.
#
# in   the training.json of every tuned model; <results>/scores.parquet
# out  <results>/tables/costs.{md,csv}          a row per training: tokens, device-hours, FLOPs, MFU, memory
#      <results>/figures/curves.{pdf,png,csv}, curves-column.{pdf,png}        the losses of every training
#      <results>/figures/budget.{pdf,png,csv,json}, budget-column.{pdf,png}   score against cost, with the frontier


rule costs:
    input:
        models=ARTIFACTS.models,
    output:
        md="<results>/tables/costs.md",
        csv="<results>/tables/costs.csv",
    log:
        "<logs>/costs.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("costs"),
        names=as_written(SELECTIONS.names()),
        note=NOTE,
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/costs.py --models {input.models:q} --names {params.names:q}"
        " --judges judges.md --note={params.note:q} --output-prefix {params.prefix:q} 2> {log:q}"


rule curves:
    input:
        models=ARTIFACTS.models,
        fonts=ARTIFACTS.fonts,
    output:
        pdf="<results>/figures/curves.pdf",
        png=report(
            "<results>/figures/curves.png",
            category="Costs",
            caption="../report/curves.rst",
            labels={"title": "Losses of all trainings"},
        ),
        csv="<results>/figures/curves.csv",
        column=expand("<results>/figures/curves-column.{kind}", kind=["pdf", "png"]),
    log:
        "<logs>/curves.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("curves"),
        names=as_written(SELECTIONS.names()),
        note=NOTE,
        prefix=lambda wildcards, output: output.pdf.removesuffix(".pdf"),
    shell:
        "python workflow/scripts/curves.py --models {input.models:q} --names {params.names:q} --note={params.note:q}"
        " --fonts resources/fonts --output-prefix {params.prefix:q} 2> {log:q}"


rule budget:
    input:
        scores="<results>/scores.parquet",
        costs="<results>/tables/costs.csv",
        config="<results>/config.yaml",
        fonts=ARTIFACTS.fonts,
    output:
        pdf="<results>/figures/budget.pdf",
        png=report(
            "<results>/figures/budget.png",
            category="Figures",
            caption="../report/budget.rst",
            labels={"title": "What a training budget buys"},
        ),
        csv="<results>/figures/budget.csv",
        json="<results>/figures/budget.json",
        column=expand("<results>/figures/budget-column.{kind}", kind=["pdf", "png"]),
    log:
        "<logs>/budget.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("budget"),
        selection=as_written(SELECTIONS.budget()),
        prefix=lambda wildcards, output: output.pdf.removesuffix(".pdf"),
    shell:
        "python workflow/scripts/budget.py --scores {input.scores:q} --costs {input.costs:q}"
        " --selection {params.selection:q}"
        " --config {input.config:q} --fonts resources/fonts --output-prefix {params.prefix:q} 2> {log:q}"
