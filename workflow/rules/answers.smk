# answers: the page on which every answer can be read.
#
# in   <results>/scores.parquet, the parts of the page in resources/answers/
# out  <results>/answers.html
#      <results>/pages/answers/{language}.html   the same answers for the report, which opens no large page


rule answer_browser:
    input:
        scores="<results>/scores.parquet",
        languages=ancient(LANGUAGE_TABLE),
        parts=expand("resources/answers/{part}", part=["page.html", "page.css", "page.js", "list.html"]),
    output:
        whole="<results>/answers.html",
        pages=report(
            directory("<results>/pages/answers"),
            patterns=["{language}.html"],
            category="Answers",
            caption="../report/answers.rst",
            labels={"answers to prompts in": "{language}"},
        ),
    log:
        "<logs>/answer_browser.log",
    benchmark:
        "<benchmarks>/answer_browser.tsv"
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("answer_browser"),
        names=as_written(SELECTIONS.names()),
        labels=IDENTIFICATION.label_options,
        title=f"Answers: {config['experiment']}",
        note=NOTE,
    shell:
        "python workflow/scripts/answer_browser.py --scores {input.scores:q} --names {params.names:q}"
        " --languages {input.languages:q} {params.labels:q} --title={params.title:q} --note={params.note:q}"
        " --parts resources/answers --pages {output.pages:q}"
        " --output {output.whole:q} 2> {log:q}"
