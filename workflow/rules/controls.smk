# controls: responses of known worth, rated by each judge like all others, so that a reader sees if the judge can tell.
#
# in   the files that `controls` names, one per language: id, prompt, answer, verbose
# out  <results>/controls/responses.jsonl   lang, id (kind/id), prompt, response
#      <results>/controls/{judge}.jsonl     the ratings, as in <results>/ratings/
#      <results>/controls/report.md         what they show; <results>/judges.md has it as well (rule judge_report), but
#                                           this page needs no model
# The calls are in the judge's journals, so they count towards its limits and its budget.


rule controls:
    input:
        texts=list(CONTROLS.files.values()),
    output:
        "<results>/controls/responses.jsonl",
    log:
        "<logs>/controls.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("controls"),
        texts=CONTROLS.options,
    shell:
        "python workflow/scripts/controls.py --texts {params.texts:q} --output {output:q} 2> {log:q}"


use rule judge as judge_controls with:
    input:
        template="resources/templates/judge.txt",
        responses="<results>/controls/responses.jsonl",
        files=JUDGES.files,
    output:
        "<results>/controls/{judge}.jsonl",
    log:
        "<logs>/judge/{judge}/controls.log",
    benchmark:
        "<benchmarks>/judge/{judge}/controls.tsv"
    params:
        run="controls",


use rule judge_controls as judge_controls_at_api with:
    wildcard_constraints:
        judge=JUDGES.at_apis(),
    localrule: True
    resources:
        judging=JUDGES.turns,
        linger=0,


use rule judge_controls as judge_controls_on_gpu with:
    wildcard_constraints:
        judge=JUDGES.on_gpus(),
    threads: JUDGES.cores
    resources:
        **SITE.on_gpus(JUDGES.gpus),
        mem_mb=JUDGES.memory,
        runtime=JUDGES.runtime,
        nodes=1,
        serving=1,
        linger=SITE.linger,
        mpi=0,


rule control_report:
    input:
        controls=CONTROLS.ratings,
    output:
        "<results>/controls/report.md",
    log:
        "<logs>/control_report.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("control_report"),
        controls=CONTROLS.rating_options,
        languages=SELECTIONS.named_languages(),
        note=NOTE,
    shell:
        "python workflow/scripts/control_report.py --controls {params.controls:q} --languages {params.languages:q}"
        " --note={params.note:q} --output {output:q} 2> {log:q}"


ruleorder: judge_controls_at_api > judge_controls_on_gpu > judge_controls
