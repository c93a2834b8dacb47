# overlap: test prompts that training rows repeat or nearly repeat, and rows that repeat, by language.
#
# in   <results>/prompts/{lang}.jsonl of every language that some run answers
#      <results>/seed/train.jsonl, <results>/translated/{lang}.jsonl, as far as recipes of models trained here read them
# out  <results>/tables/overlap.{md,csv}     a row per language
#      <results>/tables/overlap-pairs.csv    the nearest row of each prompt, and all near duplicates


from study.recipes import file_options

TRAINED_HERE = TRAININGS.methods_from("trained")
WITH_ROWS = RECIPES.languages_of(run.recipe for run in MATRIX.runs if run.method in TRAINED_HERE)
WITH_PROMPTS = [lang for lang in MATRIX.tested if any(lang in langs for langs in MATRIX.runs.values())]


rule overlap:
    input:
        prompts=expand("<results>/prompts/{lang}.jsonl", lang=WITH_PROMPTS),
        rows=[RECIPES.rows_in(lang) for lang in WITH_ROWS],
        languages=ancient(LANGUAGE_TABLE),
    output:
        md="<results>/tables/overlap.md",
        csv="<results>/tables/overlap.csv",
        pairs="<results>/tables/overlap-pairs.csv",
    log:
        "<logs>/overlap.log",
    benchmark:
        "<benchmarks>/overlap.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("overlap"),
        prompts=lambda wildcards, input: file_options("--prompts", WITH_PROMPTS, input.prompts),
        rows=lambda wildcards, input: file_options("--rows", WITH_ROWS, input.rows),
        prefix=lambda wildcards, output: output.md.removesuffix(".md"),
    shell:
        "python workflow/scripts/overlap.py {params.prompts:q} {params.rows:q} --languages {input.languages:q}"
        " --output-prefix {params.prefix:q} 2> {log:q}"
