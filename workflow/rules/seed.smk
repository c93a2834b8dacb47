# seed: the inputs of the study, each checked and brought into one form.
#
# in   the entries of `sources` that `data` names: a file of this machine, or a download pinned by its hash
# out  <results>/downloads/{source}/{file}   as published
#      <results>/seed/train.jsonl            id, instruction, input, output
#      <results>/prompts/{lang}.jsonl        id, prompt


rule download:
    input:
        script="workflow/scripts/download.py",
        shared=imports_of("download"),
    output:
        "<results>/downloads/{file}",
    log:
        "<logs>/download/{file}.log",
    wildcard_constraints:
        file="|".join(map(re.escape, PUBLISHED)) or "none",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        url=lambda wildcards: PUBLISHED[wildcards.file]["url"],
        hashes=hash_options,
    shell:
        "python {input.script:q} --url {params.url:q} {params.hashes:q} --output {output:q} 2> {log:q}"


rule seed:
    input:
        script="workflow/scripts/seed.py",
        shared=imports_of("seed"),
        source=source_file(config["data"]["seed"]),
    output:
        "<results>/seed/train.jsonl",
    log:
        "<logs>/seed.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    shell:
        "python {input.script:q} --input {input.source:q} --output {output:q} 2> {log:q}"


rule prompts:
    input:
        script="workflow/scripts/prompts.py",
        shared=imports_of("prompts"),
        source=lambda wildcards: prompts_file(wildcards.lang),
        reference=prompts_file(SEEN[0]),
    output:
        "<results>/prompts/{lang}.jsonl",
    log:
        "<logs>/prompts/{lang}.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        expected=config["data"]["prompts_expected"],
    shell:
        "python {input.script:q} --input {input.source:q} --expected {params.expected:q}"
        " --reference {input.reference:q} --output {output:q} 2> {log:q}"
