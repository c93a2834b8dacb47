"""Tokenized training data: the templates of the methods, and the recipes whose budgets are in tokens."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from study.bases import Bases
from study.contents import content_of
from study.recipes import Recipes
from study.short_forms import training_template
from study.wildcards import Wildcards


class Tokens:
    """Tokenized recipes, by family and template: methods with the same template share them."""

    def __init__(self, config: Mapping, bases: Bases, recipes: Recipes):
        self._bases, self._recipes = bases, recipes
        self._template_of = {method: training_template(config, method) for method in config["methods"]}
        self.templates = {PurePosixPath(path).stem: path for path in self._template_of.values()}  # files by name

    def template(self, wildcards: Wildcards) -> str:
        """File of the template after which the folder of tokens is named."""
        return self.templates[wildcards.template]

    def template_of_run(self, wildcards: Wildcards) -> str:
        """File of the template of the tokens that a run trains on."""
        return self._template_of[wildcards.method]

    @property
    def base_template(self) -> str:
        """File of the template used in making our own tokenizers and base models."""
        return self._template_of["lora"]

    def folder(self, wildcards: Wildcards) -> str:
        """Folder of the tokens that a run trains on."""
        template = PurePosixPath(self._template_of[wildcards.method]).stem
        return (
            f"<results>/tokens/{self._bases.family(wildcards)}/{template}/{self._recipes.with_rows(wildcards.recipe)}"
        )

    def content(self, wildcards: Wildcards) -> str:
        """A file that changes when, and only when, these tokens do."""
        return content_of(self.folder(wildcards))

    def padding_options(self, wildcards: Wildcards, input) -> list[str]:
        """Option of micro_batch.py for the rows that tell how much padding there will be."""
        return [word for folder in input.tokens for word in ("--tokens", folder)]

    def english(self, wildcards: Wildcards) -> list[str]:
        """The folder of English tokens whose number a recipe must match, if that is its budget."""
        if self._recipes.mix(wildcards.recipe).get("tokens") != "one-language":
            return []
        return ["<results>/tokens/{family}/{template}/mono-en"]

    def budget_options(self, wildcards: Wildcards, input) -> list[str | int]:
        """Option of tokenize_recipe.py for a recipe's number of tokens, if it has one."""
        budget = self._recipes.mix(wildcards.recipe).get("tokens")
        if input.english:
            return ["--tokens-of", str(input.english)]
        return ["--tokens", budget] if budget else []
