# base: tokenizers and base models, fetched at a pinned revision, or converted from GGUF.
#
# in   the entries of `families` and `models`
# out  <results>/tokenizers/{family}/     a fast tokenizer
#      <results>/bases/{model}/           configuration and safetensors weights
#      <results>/{tokenizers/{family},bases/{model}}.sha256   the checksums of their files


rule fetch_tokenizer:
    output:
        folder=directory("<results>/tokenizers/{family}"),
        checksums="<results>/tokenizers/{family}.sha256",
    log:
        "<logs>/tokenizer/{family}.log",
    wildcard_constraints:
        family=BASES.tokenizers_with("repo"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("fetch_model", "checksums"),
        source=BASES.tokenizer_source,
    shell:
        "python workflow/scripts/fetch_model.py tokenizer --repo {params.source[repo]:q}"
        " --revision {params.source[revision]:q} --output {output.folder:q} 2> {log:q}"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"


rule fetch_base:
    output:
        folder=directory("<results>/bases/{model}"),
        checksums="<results>/bases/{model}.sha256",
    log:
        "<logs>/base/{model}.log",
    wildcard_constraints:
        model=BASES.models_with("repo"),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("fetch_model", "checksums"),
        source=BASES.model_source,
    shell:
        "python workflow/scripts/fetch_model.py model --repo {params.source[repo]:q}"
        " --revision {params.source[revision]:q} --output {output.folder:q} 2> {log:q}"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"


rule tokenizer_from_gguf:
    input:
        gguf=BASES.tokenizer_file,
    output:
        folder=directory("<results>/tokenizers/{family}"),
        checksums="<results>/tokenizers/{family}.sha256",
    log:
        "<logs>/tokenizer/{family}.log",
    wildcard_constraints:
        family=BASES.tokenizers_with("gguf"),
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("convert_gguf", "checksums"),
        source=BASES.tokenizer_source,
    shell:
        "python workflow/scripts/convert_gguf.py tokenizer --input {input.gguf:q} --sha256 {params.source[sha256]:q}"
        " --output {output.folder:q} > {log:q} 2>&1"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"


rule base_from_gguf:
    input:
        gguf=BASES.model_file,
    output:
        folder=directory("<results>/bases/{model}"),
        checksums="<results>/bases/{model}.sha256",
    log:
        "<logs>/base/{model}.log",
    wildcard_constraints:
        model=BASES.models_with("gguf"),
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("convert_gguf", "checksums"),
        source=BASES.model_source,
    shell:
        "python workflow/scripts/convert_gguf.py model --input {input.gguf:q} --sha256 {params.source[sha256]:q}"
        " --output {output.folder:q} > {log:q} 2>&1"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"
