# people: a sheet of answers for people to rate, and their ratings as those of further judges.
#
# in   <results>/responses/{method}/{model}/{recipe}.jsonl of all runs; a sheet that a person filled in, and its key (an
#      entry of `judges` with human and sheet_key)
# out  <results>/rating-sheet.csv         a sample of answers, with nothing about their models
#      <results>/rating-sheet-key.jsonl   which answer each row is
#      <results>/ratings/{human}/{method}/{model}/{recipe}.jsonl   in the format of judge, null where there is no rating
# The sheet is write-protected: it is copied and filled in elsewhere, since Snakemake removes what it makes again.


rule rating_sheet:
    input:
        responses=ARTIFACTS.responses,
    output:
        sheet=protected("<results>/rating-sheet.csv"),
        key="<results>/rating-sheet-key.jsonl",
    log:
        "<logs>/rating_sheet.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("rating_sheet"),
        settings=config["rating_sheet"],
    shell:
        "python workflow/scripts/rating_sheet.py --responses {input.responses:q} --rows {params.settings[rows]:q}"
        " --languages {params.settings[languages]:q} --seed {params.settings[seed]:q} --sheet {output.sheet:q}"
        " --key {output.key:q} 2> {log:q}"


rule human_ratings:
    input:
        sheet=JUDGES.sheet,
        key=JUDGES.sheet_key,
        responses=ARTIFACTS.responses,
    output:
        expand("<results>/ratings/{{human}}/{run}.jsonl", run=MATRIX.paths),
    log:
        "<logs>/human_ratings/{human}.log",
    wildcard_constraints:
        human=one_of(JUDGES.people),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("human_ratings"),
        folder=f"{RESULTS}/ratings/{{human}}",
    shell:
        "python workflow/scripts/human_ratings.py --sheet {input.sheet:q} --key {input.key:q}"
        " --responses {input.responses:q} --output {params.folder:q} 2> {log:q}"
