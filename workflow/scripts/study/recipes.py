"""Recipes: the mixtures of a study and the monolingual recipes, as options of recipe.py.

A recipe that draws a sample of the rows draws another one for each seed of a repeated run (study.seeds); one that takes
all rows is the same for all seeds.
"""

from collections.abc import Iterable, Mapping, Sequence

from study.matrix import Run
from study.seeds import Seeds, repeated
from study.wildcards import Wildcards

SHARES = ("weights", "temperature", "others", "sampling")  # each determines how many rows a language has


def file_options(option: str, languages: Sequence[str], paths: Sequence[str]) -> list[str]:
    """An option that names the file of each language: --rows es=translated/es.jsonl."""
    named = [f"{lang}={path}" for lang, path in zip(languages, paths, strict=True)]
    return [word for value in named for word in (option, value)]


class Recipes:
    """The recipes of a study by name: `mono-<lang>` for each language seen, and those of the configuration."""

    def __init__(self, config: Mapping):
        self._defaults = config["recipe"]
        self._english = config["languages"]["train"][0]
        by_tokens = config["recipe"].get("monolingual") == "tokens"
        budget = {"tokens": "one-language"} if by_tokens else {"rows": "all"}
        self.mixes: dict[str, dict] = {
            "mono-en": {"languages": ["en"], "rows": "all"},
            **{f"mono-{lang}": {"languages": [lang]} | budget for lang in config["languages"]["seen"][1:]},
            **config["recipes"],
        }
        seeds, self._seed = Seeds(config), config["random_seed"]
        self._repeats = {
            repeated(recipe, seed): (recipe, seed)
            for recipe in self.mixes
            if seeds.are_for(recipe)
            for seed in seeds.further
        }
        self.names = [*self.mixes, *self._repeats]  # of the recipe in the path of a run

    @property
    def assembled(self) -> list[str]:
        """The names of the recipes that are assembled: all, and the further samples."""
        return [name for name in self.names if self.with_rows(name) == name]

    def soonest(self, runs: Sequence[Run]) -> list[Run]:
        """Of these runs the one whose recipe takes the fewest languages, and so waits for the fewest translations."""
        return sorted(runs, key=lambda run: len(self.mix(run.recipe)["languages"]))[:1]

    def of_run(self, name: str) -> str:
        """The recipe that a run is named after, whatever its seed."""
        return self._repeats.get(name, (name,))[0]

    def seed(self, name: str) -> int:
        """The seed of a run on a recipe of this name."""
        return self._repeats[name][1] if name in self._repeats else self._seed

    def with_rows(self, name: str) -> str:
        """The recipe whose rows a run on a recipe of this name is trained on: its own sample, or that of all seeds."""
        recipe = self.of_run(name)
        mix = self.mixes[recipe]
        is_sampled = mix.get("rows") != "all" or any(key in mix for key in SHARES)
        return name if is_sampled else recipe

    def mix(self, name: str) -> dict:
        """The contents of a recipe, whatever the seed."""
        return self.mixes[self.of_run(name)]

    def without_seed(self, wildcards: Wildcards) -> str:
        """The recipe of a run, whatever its seed."""
        return self.of_run(wildcards.recipe)

    def sample_options(self, wildcards: Wildcards) -> list[str | int]:
        """Option for the seed of a further sample; held-out rows are the same for all seeds."""
        return ["--sample-seed", self.seed(wildcards.recipe)] if wildcards.recipe in self._repeats else []

    def rows_in(self, lang: str) -> str:
        """File of a language's training rows; for English, of the seed data itself."""
        return "<results>/seed/train.jsonl" if lang == self._english else f"<results>/translated/{lang}.jsonl"

    def row_files(self, wildcards: Wildcards) -> list[str]:
        """Files of the rows that a recipe draws from, one for each of its languages."""
        return [self.rows_in(lang) for lang in self.mix(wildcards.recipe)["languages"]]

    def language_options(self, wildcards: Wildcards, input) -> list[str]:
        """Options that name the file of each language."""
        return file_options("--language", self.mix(wildcards.recipe)["languages"], input.rows)

    def languages_of(self, recipes: Iterable[str]) -> list[str]:
        """The languages that recipes draw rows from, in their order there."""
        return list(dict.fromkeys(lang for recipe in recipes for lang in self.mix(recipe)["languages"]))

    def rows(self, wildcards: Wildcards) -> str | int:
        """How many rows a recipe has. A budget in tokens is applied when the rows are tokenized."""
        return self.mix(wildcards.recipe).get("rows", "all")

    def share_options(self, wildcards: Wildcards) -> list[str | float]:
        """Options for how the rows are divided among the languages."""
        mix = self.mix(wildcards.recipe)
        options: list[str | float] = []
        for key in ("sampling", "temperature", "others"):
            if key in mix:
                options += [f"--{key}", mix[key]]
        for lang, weight in mix.get("weights", {}).items():
            options += ["--weight", f"{lang}={weight}"]
        return options

    def drop_flag_options(self, wildcards: Wildcards) -> list[str]:
        """Options for the flags whose rows a recipe leaves out: its own list, or that of all recipes."""
        flags = self.mix(wildcards.recipe).get("drop_flags", self._defaults["drop_flags"])
        return [word for flag in flags for word in ("--drop-flag", flag)]
