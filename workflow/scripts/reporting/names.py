"""What methods, models, recipes and languages are called where people read: in figures, Markdown, LaTeX and pages.

Files for programs (csv, parquet, json) have the keys of the configuration instead: lora, pythia-70m, mono-es, es. The
programs get the names as --names, a JSON object or a file with one, which the workflow derives from the configuration
(study/selections.py). A key without a name is shown as it is. Models and languages are in the order in which they are
named.

  methods    {"lora": "LoRA", ...}
  models     {"pythia-70m": "Pythia 70M", ...}
  families   {"pythia-70m": "Pythia", ...}: of each model
  recipes    {"my-mix": "My mix", ...}: those that are not in the paper
  languages  {"es": "Spanish", ...}
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SERIES = {  # the paper's, in the order of its legends
    "multilingual": "Multilingual",
    "monolingual": "Monolingual",
    "English": "English-only",
    "downsampled": "Downsampled",
}


@dataclass(frozen=True)
class Names:
    """The names by key, as above."""

    methods: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    recipes: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)

    def recipe(self, key: str) -> str:
        """The name of a recipe or series."""
        if key in self.recipes or key in SERIES:
            return self.recipes.get(key) or SERIES[key]
        if key == "mono-en":
            return SERIES["English"]
        if key.startswith("mono-"):
            lang = key.removeprefix("mono-")
            return f"{SERIES['monolingual']} ({self.languages.get(lang, lang)})"
        return key

    def shown(self, row: Mapping[str, object]) -> dict[str, object]:
        """A row of a table with names in place of keys; its column lang is called language."""
        shown = dict(row)
        for column, known in (("method", self.methods), ("model", self.models), ("lang", self.languages)):
            if column in row:
                shown[column] = known.get(str(row[column]), row[column])
        if "recipe" in row:
            shown["recipe"] = self.recipe(str(row["recipe"]))
        return {"language" if column == "lang" else column: value for column, value in shown.items()}


def named_language(argument: str) -> tuple[str, str]:
    """Code and name of a language, from CODE=NAME or CODE; the `type` of an argparse argument."""
    code, _, name = argument.partition("=")
    return code, name or code


def with_language_names(rows: Iterable[Mapping], names: Mapping[str, str]) -> list[dict]:
    """Rows with the names of languages in their column `language`, which may be None or missing."""
    return [
        dict(row) | ({"language": names.get(row["language"], row["language"])} if row.get("language") else {})
        for row in rows
    ]


def size_name(billions: float) -> str:
    """The number of a model's parameters as in the paper: 70M, 2.8B."""
    return f"{billions:g}B" if billions >= 1 else f"{1000 * billions:g}M"


def model_names(models: Mapping[str, Mapping]) -> dict[str, str]:
    """Family and size of each model, and its key where that is not enough. `models`: {key: {"label", "billions"}}."""
    names = {model: f"{entry['label']} {size_name(entry['billions'])}" for model, entry in models.items()}
    counts = Counter(names.values())
    return {model: name if counts[name] == 1 else f"{name} ({model})" for model, name in names.items()}
