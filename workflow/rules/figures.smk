# figures: plots of the scores, and the configuration that everything was made with.
#
# in   <results>/scores/{judge}/... of the runs that a figure shows (the first judge)
# out  <results>/figures/figure{number}.{pdf,png,csv,json}, figure{number}-column.{pdf,png}
#          in the width of a page's text and of a column; every plotted number; their provenance
#      <results>/config.yaml   the merged configuration, as given

from study.configuration import text_of


rule figure:
    input:
        scores=ARTIFACTS.scores_in_figure,
        config="<results>/config.yaml",
        fonts=ARTIFACTS.fonts,
    output:
        pdf="<results>/figures/figure{number}.pdf",
        png=report(
            "<results>/figures/figure{number}.png",
            category="Figures",
            caption="../report/figure.rst",
            labels=SELECTIONS.listed,
        ),
        csv="<results>/figures/figure{number}.csv",
        json="<results>/figures/figure{number}.json",
        column=expand("<results>/figures/figure{{number}}-column.{kind}", kind=["pdf", "png"]),
    log:
        "<logs>/figure/{number}.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("figure"),
        settings=SELECTIONS.figure,
        prefix=lambda wildcards, output: output.pdf.removesuffix(".pdf"),
    shell:
        "python workflow/scripts/figure.py --scores {input.scores:q} --figure {params.settings:q}"
        " --config {input.config:q}"
        " --fonts resources/fonts --output-prefix {params.prefix:q} 2> {log:q}"


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
        text=lambda wildcards: text_of(GIVEN),
    shell:
        "python workflow/scripts/config_copy.py --text={params.text:q} --output {output:q} 2> {log:q}"
