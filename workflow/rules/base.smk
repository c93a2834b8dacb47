# base: tokenizers and base models, fetched at a pinned revision, or made from a corpus of our own.
#
# in   the entries of `families` and `models`; `corpus` and `pretrain` where they are made
# out  <results>/corpus/{lang}.txt        one document a line
#      <results>/tokenizers/{family}/     a fast tokenizer
#      <results>/bases/{model}/           configuration and safetensors weights


rule fetch_tokenizer:
    input:
        script="workflow/scripts/fetch_model.py",
        shared=imports_of("fetch_model"),
    output:
        directory("<results>/tokenizers/{family}"),
    log:
        "<logs>/tokenizer/{family}.log",
    wildcard_constraints:
        family=names_with(TOKENIZERS, "repo"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        source=lambda wildcards: TOKENIZERS[wildcards.family],
    shell:
        "python {input.script:q} tokenizer --repo {params.source[repo]:q} --revision {params.source[revision]:q}"
        " --output {output:q} 2> {log:q}"


rule fetch_base:
    input:
        script="workflow/scripts/fetch_model.py",
        shared=imports_of("fetch_model"),
    output:
        directory("<results>/bases/{model}"),
    log:
        "<logs>/base/{model}.log",
    wildcard_constraints:
        model=names_with(config["models"], "repo"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        source=lambda wildcards: config["models"][wildcards.model],
    shell:
        "python {input.script:q} model --repo {params.source[repo]:q} --revision {params.source[revision]:q}"
        " --output {output:q} 2> {log:q}"


rule corpus:
    input:
        script="workflow/scripts/demo_text.py",
        shared=imports_of("demo_text"),
        grammar=config.get("corpus", {}).get("grammar", "config.corpus.grammar"),
    output:
        "<results>/corpus/{lang}.txt",
    log:
        "<logs>/corpus/{lang}.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        characters=config.get("corpus", {}).get("characters"),
        seed=config["random_seed"],
    shell:
        "python {input.script:q} corpus --grammar {input.grammar:q} --language {wildcards.lang:q}"
        " --characters {params.characters:q} --seed {params.seed:q} --output {output:q} 2> {log:q}"


rule train_tokenizer:
    input:
        script="workflow/scripts/train_tokenizer.py",
        shared=imports_of("train_tokenizer"),
        corpus=CORPUS,
        template=training_template(config, "lora"),
    output:
        directory("<results>/tokenizers/{family}"),
    log:
        "<logs>/tokenizer/{family}.log",
    wildcard_constraints:
        family=names_with(TOKENIZERS, "vocabulary"),
    conda:
        "../../envs/main.yaml"
    params:
        vocabulary=lambda wildcards: TOKENIZERS[wildcards.family]["vocabulary"],
    shell:
        "python {input.script:q} --corpus {input.corpus:q} --template {input.template:q}"
        " --vocabulary {params.vocabulary:q} --output {output:q} 2> {log:q}"


rule pretrain:
    input:
        script="workflow/scripts/pretrain.py",
        shared=imports_of("pretrain"),
        corpus=CORPUS,
        template=training_template(config, "lora"),
        tokenizer=tokenizer_of,
    output:
        directory("<results>/bases/{model}"),
    log:
        "<logs>/base/{model}.log",
    benchmark:
        "<benchmarks>/pretrain/{model}.tsv"
    wildcard_constraints:
        model=names_with(config["models"], "architecture"),
    conda:
        "../../envs/main.yaml"
    params:
        architecture=lambda wildcards: json.dumps(config["models"][wildcards.model]["architecture"]),
        settings=json.dumps(config.get("pretrain", {}) | {"seed": config["random_seed"]}),
    shell:
        "python {input.script:q} --architecture {params.architecture:q} --corpus {input.corpus:q}"
        " --template {input.template:q} --tokenizer {input.tokenizer:q} --settings {params.settings:q}"
        " --output {output:q} > {log:q} 2>&1"
