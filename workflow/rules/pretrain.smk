# pretrain: tokenizers and base models that are trained here on a generated corpus, for the miniature.
#
# in   `corpus` and `pretrain`; `vocabulary` in `families`, `architecture` in `models`
# out  <results>/corpus/{lang}.txt        one document per line
#      <results>/tokenizers/{family}/, <results>/bases/{model}/ and their checksums, as in base.smk


rule corpus:
    input:
        grammar=BASES.grammar,
    output:
        "<results>/corpus/{lang}.txt",
    log:
        "<logs>/corpus/{lang}.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("demo_text"),
        characters=BASES.corpus_characters,
        seed=config["random_seed"],
    shell:
        "python workflow/scripts/demo_text.py corpus --grammar {input.grammar:q} --language {wildcards.lang:q}"
        " --characters {params.characters:q} --seed {params.seed:q} --output {output:q} 2> {log:q}"


rule train_tokenizer:
    input:
        corpus=list(BASES.corpus.values()),
        template=TOKENS.base_template,
    output:
        folder=directory("<results>/tokenizers/{family}"),
        checksums="<results>/tokenizers/{family}.sha256",
    log:
        "<logs>/tokenizer/{family}.log",
    wildcard_constraints:
        family=BASES.tokenizers_with("vocabulary"),
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("train_tokenizer", "checksums"),
        vocabulary=BASES.vocabulary,
    shell:
        "python workflow/scripts/train_tokenizer.py --corpus {input.corpus:q} --template {input.template:q}"
        " --vocabulary {params.vocabulary:q} --output {output.folder:q} 2> {log:q}"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"


rule pretrain:
    input:
        corpus=list(BASES.corpus.values()),
        template=TOKENS.base_template,
        tokenizer=ancient(BASES.tokenizer),
        tokenizer_content=BASES.tokenizer_content,
    output:
        folder=directory("<results>/bases/{model}"),
        checksums="<results>/bases/{model}.sha256",
    log:
        "<logs>/base/{model}.log",
    benchmark:
        "<benchmarks>/pretrain/{model}.tsv"
    wildcard_constraints:
        model=BASES.models_with("architecture"),
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("pretrain", "checksums"),
        architecture=BASES.architecture,
        settings=BASES.pretraining,
    shell:
        "python workflow/scripts/pretrain.py --architecture {params.architecture:q} --corpus {input.corpus:q}"
        " --template {input.template:q} --tokenizer {input.tokenizer:q} --settings {params.settings:q}"
        " --output {output.folder:q} > {log:q} 2>&1"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"
