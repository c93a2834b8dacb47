"""Recipes: the mixtures of a study and the monolingual recipes, as options of recipe.py."""

from collections.abc import Iterable, Mapping, Sequence

from study.wildcards import Wildcards


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

    def rows_in(self, lang: str) -> str:
        """File of a language's training rows; for English, of the seed data itself."""
        return "<results>/seed/train.jsonl" if lang == self._english else f"<results>/translated/{lang}.jsonl"

    def row_files(self, wildcards: Wildcards) -> list[str]:
        """Files of the rows that a recipe draws from, one for each of its languages."""
        return [self.rows_in(lang) for lang in self.mixes[wildcards.recipe]["languages"]]

    def language_options(self, wildcards: Wildcards, input) -> list[str]:
        """Options that name the file of each language."""
        return file_options("--language", self.mixes[wildcards.recipe]["languages"], input.rows)

    def languages_of(self, recipes: Iterable[str]) -> list[str]:
        """The languages that recipes draw rows from, in their order there."""
        return list(dict.fromkeys(lang for recipe in recipes for lang in self.mixes[recipe]["languages"]))

    def rows(self, wildcards: Wildcards) -> str | int:
        """How many rows a recipe has. A budget in tokens is applied when the rows are tokenized."""
        return self.mixes[wildcards.recipe].get("rows", "all")

    def share_options(self, wildcards: Wildcards) -> list[str | float]:
        """Options for how the rows are divided among the languages."""
        mix = self.mixes[wildcards.recipe]
        options: list[str | float] = []
        for key in ("sampling", "temperature", "others"):
            if key in mix:
                options += [f"--{key}", mix[key]]
        for lang, weight in mix.get("weights", {}).items():
            options += ["--weight", f"{lang}={weight}"]
        return options

    def drop_flag_options(self, wildcards: Wildcards) -> list[str]:
        """Options for the flags whose rows a recipe leaves out: its own list, or that of all recipes."""
        flags = self.mixes[wildcards.recipe].get("drop_flags", self._defaults["drop_flags"])
        return [word for flag in flags for word in ("--drop-flag", flag)]
