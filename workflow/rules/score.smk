# score: rating x language match of each answer (paper, section 3.4).
#
# in   responses of a run, with the record of their decoding, its ratings and langid
# out  <results>/scores/{judge}/{method}/{model}/{recipe}.parquet
#          one row per response: judge, method, model, recipe, seed, lang, id, prompt, response, response_sha256,
#          decoding, rating (mean of the repeats), ratings, explanation, judge_model, fingerprint, label, probability,
#          match, code_decides, lines_match, words_match, score
#      <results>/scores.parquet   all of them


rule score:
    input:
        responses="<results>/responses/{method}/{model}/{recipe}.jsonl",
        decoding="<results>/responses/{method}/{model}/{recipe}.json",
        ratings="<results>/ratings/{judge}/{method}/{model}/{recipe}.jsonl",
        langid="<results>/langid/{method}/{model}/{recipe}.jsonl",
    output:
        "<results>/scores/{judge}/{method}/{model}/{recipe}.parquet",
    log:
        "<logs>/score/{judge}/{method}/{model}/{recipe}.log",
    conda:
        "../../envs/main.yaml"
    resources:  # as for langid, of whose group it is
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=10,
    params:
        code=code_of("score"),
        missing=config["score"]["missing"],
        recipe=RECIPES.without_seed,
        seed=TRAININGS.seed_options,
    shell:
        "python workflow/scripts/score.py --responses {input.responses:q} --decoding {input.decoding:q}"
        " --ratings {input.ratings:q} --langid {input.langid:q} --missing {params.missing:q}"
        " --judge {wildcards.judge:q} --method {wildcards.method:q} --model {wildcards.model:q}"
        " --recipe {params.recipe:q} {params.seed:q} --output {output:q} 2> {log:q}"


rule collect_scores:
    input:
        scores=ARTIFACTS.scores,
    output:
        "<results>/scores.parquet",
    log:
        "<logs>/collect_scores.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("collect_scores"),
    shell:
        "python workflow/scripts/collect_scores.py --scores {input.scores:q} --output {output:q} 2> {log:q}"
