# langid: the language of each answer, identified by fastText.
#
# in   <results>/responses/{method}/{model}/{recipe}.jsonl, the identifier that `data` names, and its labels; the list
#      of English words, if there is one
# out  <results>/langid/{method}/{model}/{recipe}.jsonl   lang, id, label, probability, match (of the whole response),
#      code_decides (the match would be another one if fenced code were treated the other way), lines (identified one by
#      one), lines_match, words_match (true, false, or null: nothing to judge)


rule train_langid:
    input:
        languages=ancient(LANGUAGE_TABLE),
        corpus=list(BASES.corpus.values()),
    output:
        "<results>/identifier.bin",
    log:
        "<logs>/train_langid.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("train_langid"),
        labels=IDENTIFICATION.corpus_labels,
        corpus=BASES.corpus_options,
    shell:
        "python workflow/scripts/train_langid.py --corpus {params.corpus:q} --languages {input.languages:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule langid:
    input:
        languages=ancient(LANGUAGE_TABLE),
        model=IDENTIFICATION.model,
        responses="<results>/responses/{method}/{model}/{recipe}.jsonl",
        words=IDENTIFICATION.english_words,
    output:
        "<results>/langid/{method}/{model}/{recipe}.jsonl",
    log:
        "<logs>/langid/{method}/{model}/{recipe}.log",
    conda:
        "../../envs/main.yaml"
    resources:  # for a group, Slurm is asked for the sum of memory and cores, and of the times of its layers
        mem_mb=lambda wildcards, attempt: 3000 * attempt,  # OpenLID is 1.2 GB
        runtime=10,
    params:
        code=code_of("langid"),
        labels=IDENTIFICATION.answer_labels,
        table=IDENTIFICATION.label_options,
        normalise=IDENTIFICATION.normalise,
        fenced=config["langid"]["code"],
        words=lambda wildcards, input: ["--english-words", *input.words] if input.words else [],
    shell:
        "python workflow/scripts/langid.py --responses {input.responses:q} --model {input.model:q}"
        " --languages {input.languages:q} {params.table:q} --normalise {params.normalise:q}"
        " --code {params.fenced:q} {params.words:q} --output {output:q} 2> {log:q}"
