"""Trainings: which methods train, which modules they adapt, and with which settings."""

import json
from collections.abc import Mapping

from study.bases import Bases
from study.compute import Compute
from study.recipes import Recipes
from study.short_forms import ADAPTER
from study.wildcards import Wildcards

MEMORY_SAVERS = ("zero_stage", "offload", "activations")  # settings of a training that are in the rows of `compute`


class Trainings:
    """The entries of `train`, by method."""

    def __init__(self, config: Mapping, bases: Bases, compute: Compute, recipes: Recipes):
        self._methods = config["methods"]
        self._settings = config["train"]
        self._bases, self._compute, self._recipes = bases, compute, recipes
        self._seed = config["random_seed"]

    def methods_like(self, base: str) -> list[str]:
        """The method lora or full itself, and the methods based on it."""
        return [method for method, entry in self._methods.items() if entry["of"] == base]

    def methods_from(self, source: str, *bases: str) -> list[str]:
        """The methods based on one of `bases`, or all methods, whose models are trained or released (`source`)."""
        like = [method for base in bases or ("lora", "full") for method in self.methods_like(base)]
        return [method for method in like if self._settings["source"][method] == source]

    def base_method(self, wildcards: Wildcards) -> str:
        """The method, lora or full, that a method is based on."""
        return self._methods[wildcards.method]["of"]

    def adapter_modules(self, wildcards: Wildcards) -> list[str]:
        """Modules that LoRA adapts: those of the method, or else of the family."""
        return self._settings[wildcards.method].get("modules") or self._bases.adapter_modules(wildcards)

    def settings(self, wildcards: Wildcards) -> str:
        """The hyperparameters of a run, and the settings that depend on the model's size, as JSON."""
        settings = self.settings_of(wildcards.method, self._compute.request(wildcards))
        return json.dumps(settings | {"seed": self._recipes.seed(wildcards.recipe)})

    def settings_of_model(self, wildcards: Wildcards) -> str:
        """The same for any run of a method and model."""
        return json.dumps(self.settings_of(wildcards.method, self._compute.request(wildcards)))

    def seed_options(self, wildcards: Wildcards) -> list[str | int]:
        """Option of score.py for the seed of the training; none for a released model, whose seed is not known."""
        if self._settings["source"][wildcards.method] == "released":
            return []
        return ["--seed", self._recipes.seed(wildcards.recipe)]

    def settings_of(self, method: str, request: Mapping) -> dict[str, object]:
        """The settings of a method for train.py, for the models of a row of `compute` (`request`)."""
        settings = {"seed": self._seed} | self._settings[method]
        settings.pop("modules", None)
        if self._methods[method]["of"] == "lora":
            settings["lora"] = {key: settings.pop(key) for key in ADAPTER if key in settings}
        return settings | {key: request[key] for key in MEMORY_SAVERS if key in request}

    def micro_batch(self, wildcards: Wildcards) -> list[str]:
        """File of the micro-batch size that was found for a model, if the configuration leaves it open."""
        if self._settings[wildcards.method]["micro_batch_tokens"] != "auto":
            return []
        return [f"<results>/micro_batches/{wildcards.method}/{wildcards.model}.json"]

    def micro_batch_options(self, wildcards: Wildcards, input) -> list[str]:
        """Option of train.py for that file."""
        return [word for path in input.micro_batch for word in ("--micro-batch", path)]
