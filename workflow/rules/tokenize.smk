# tokenize: a recipe's rows in the prompt template, as token ids of a model family.
#
# in   <results>/recipes/{recipe}/, <results>/tokenizers/{family}/, the prompt template of that name
# out  <results>/tokens/{family}/{template}/{recipe}/   Arrow data set (train, validation): id, lang, input_ids,
#                                                       prompt_length, length; counts.json
#      <results>/tokens/{family}/{template}/{recipe}.sha256   the checksums of its files


rule tokenize:
    input:
        recipe="<results>/recipes/{recipe}",
        tokenizer=ancient(BASES.tokenizer),
        tokenizer_content=BASES.tokenizer_content,
        template=TOKENS.template,
        english=TOKENS.english,
    output:
        folder=directory("<results>/tokens/{family}/{template}/{recipe}"),
        checksums="<results>/tokens/{family}/{template}/{recipe}.sha256",
    log:
        "<logs>/tokenize/{family}/{template}/{recipe}.log",
    wildcard_constraints:
        template=one_of(TOKENS.templates),
    conda:
        "../../envs/main.yaml"
    resources:  # of the submission of its recipe
        runtime=20,
        in_turn=1,
    params:
        code=code_of("tokenize_recipe", "checksums"),
        max_length=config["tokenize"]["max_length"],
        budget=TOKENS.budget_options,
    shell:
        "python workflow/scripts/tokenize_recipe.py --recipe {input.recipe:q} --tokenizer {input.tokenizer:q}"
        " --template {input.template:q} --max-length {params.max_length:q} {params.budget:q}"
        " --output {output.folder:q} > {log:q} 2>&1"
        " && python workflow/scripts/checksums.py --folder {output.folder:q} --output {output.checksums:q} 2>> {log:q}"
