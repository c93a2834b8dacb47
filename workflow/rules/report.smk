# report: the tables as pages for `snakemake --report`; figures are marked for it in their own rules.
#
# in   <results>/{claims,judges}.md, <results>/tables/*.md; the parts of a page in resources/pages/
# out  <results>/pages/{claims,judges,table1,...}.html


from study.artifacts import PAGES, markdown_of


report: "../report/workflow.rst"


for name, (category, title) in PAGES.items():

    rule:
        name:
            f"page_{name}"
        input:
            markdown=markdown_of(name),
            parts=expand("resources/pages/{part}", part=["page.html", "page.css", "page.js"]),
        output:
            report(
                f"<results>/pages/{name}.html",
                category=category,
                caption=f"../report/{name}.rst",
                labels={"title": title},
            ),
        log:
            f"<logs>/page/{name}.log",
        localrule: True
        conda:
            "../../envs/main.yaml"
        params:
            code=code_of("page"),
            title=title,
        shell:
            "python workflow/scripts/page.py --markdown {input.markdown:q} --title {params.title:q}"
            " --parts resources/pages --output {output:q} 2> {log:q}"
