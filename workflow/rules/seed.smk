# seed: the inputs of the study, checked and converted to one format.
#
# in   the entries of `sources` that `data` names: a local file, or a download pinned by its hash
# out  <results>/downloads/{source}/{file}   as published
#      <results>/seed/train.jsonl            id, instruction, input, output
#      <results>/prompts/{lang}.jsonl        id, prompt


rule download:
    output:
        "<results>/downloads/{file}",
    log:
        "<logs>/download/{file}.log",
    wildcard_constraints:
        file=one_of(SOURCES.downloads),
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("download"),
        url=SOURCES.url,
        hashes=SOURCES.hash_options,
    shell:
        "python workflow/scripts/download.py --url {params.url:q} {params.hashes:q} --output {output:q} 2> {log:q}"


rule seed:
    input:
        source=SOURCES.seed,
    output:
        "<results>/seed/train.jsonl",
    log:
        "<logs>/seed.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("seed"),
        sample=SOURCES.sample_options,
    shell:
        "python workflow/scripts/seed.py --input {input.source:q} {params.sample:q} --output {output:q} 2> {log:q}"


rule prompts:
    input:
        source=SOURCES.prompts,
        reference=SOURCES.reference_prompts,
    output:
        "<results>/prompts/{lang}.jsonl",
    log:
        "<logs>/prompts/{lang}.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("prompts"),
        expected=config["data"]["prompts_expected"],
        used=config["data"]["prompts_used"],
    shell:
        "python workflow/scripts/prompts.py --input {input.source:q} --expected {params.expected:q}"
        " --use {params.used:q}"
        " --reference {input.reference:q} --output {output:q} 2> {log:q}"
