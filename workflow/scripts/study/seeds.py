"""Repeated trainings: the same run with other random seeds, so that claims and figures know how much is chance."""

from collections.abc import Mapping

from study.short_forms import selected_models


def repeated(recipe: str, seed: int) -> str:
    """The name of a recipe in runs with another seed than the study's: downsampled-seed43. Runs with the study's own
    keep the recipe's name, so that seeds can be added to a finished study."""
    return f"{recipe}-seed{seed}"


class Seeds:
    """The runs that `seeds` of a configuration repeats: recipes, by method and model."""

    def __init__(self, config: Mapping):
        chosen = config["seeds"]
        self.further: list[int] = [seed for seed in chosen["values"] if seed != config["random_seed"]]
        self._models = {method: selected_models(config, names) for method, names in chosen["runs"].items()}
        self._recipes = chosen["recipes"]

    def are_for(self, recipe: str) -> bool:
        """Whether runs on a recipe are repeated."""
        return self._recipes == "all" or recipe in self._recipes

    def names(self, method: str, model: str, recipe: str) -> list[str]:
        """The recipe of each run that repeats this one."""
        if model not in self._models.get(method, ()) or not self.are_for(recipe):
            return []
        return [repeated(recipe, seed) for seed in self.further]
