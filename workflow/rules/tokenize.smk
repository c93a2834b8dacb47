# tokenize: a recipe's rows in the prompt template, as token ids of a family.
#
# in   <results>/recipes/{recipe}/, <results>/tokenizers/{family}/, the prompt template of that name
# out  <results>/tokens/{family}/{template}/{recipe}/   Arrow data set (train, validation): id, lang, input_ids,
#                                                       prompt_length, length; counts.json


rule tokenize:
    input:
        recipe="<results>/recipes/{recipe}",
        tokenizer=BASES.tokenizer,
        template=TOKENS.template,
        english=TOKENS.english,
    output:
        directory("<results>/tokens/{family}/{template}/{recipe}"),
    log:
        "<logs>/tokenize/{family}/{template}/{recipe}.log",
    wildcard_constraints:
        template=one_of(TOKENS.templates),
    conda:
        "../../envs/main.yaml"
    params:
        code=code_of("tokenize_recipe"),
        max_length=config["tokenize"]["max_length"],
        budget=TOKENS.budget_options,
    shell:
        "python workflow/scripts/tokenize_recipe.py --recipe {input.recipe:q} --tokenizer {input.tokenizer:q}"
        " --template {input.template:q} --max-length {params.max_length:q} {params.budget:q} --output {output:q}"
        " > {log:q} 2>&1"
