# The matrix: which model, tuned by which method on which recipe, answers which language, for which figure.
# Everything follows from the config's `languages`, `recipes`, `methods`, `select` and `figures`.

from pathlib import Path
from typing import NamedTuple

import yaml
from study.short_forms import methods_shown, points_of

SEEN = config["languages"]["seen"]
UNSEEN = config["languages"]["unseen"]
TESTED = [*SEEN, *UNSEEN]
METHODS = config["methods"]
MONO = {"tokens": "one-language"} if config["recipe"].get("monolingual") == "tokens" else {"rows": "all"}
RECIPES = {
    "mono-en": {"languages": ["en"], "rows": "all"},
    **{f"mono-{lang}": {"languages": [lang]} | MONO for lang in SEEN[1:]},
    **config["recipes"],
}
LANGUAGES = yaml.safe_load(open("resources/languages.yaml", encoding="utf-8"))
LANGUAGE_NAMES = {lang: entry["name"] for lang, entry in LANGUAGES.items()}
JUDGES = {judge["name"]: judge for judge in config["judges"]}


class Run(NamedTuple):
    """One tuned model."""

    method: str
    model: str
    recipe: str

    def path(self) -> str:
        return f"{self.method}/{self.model}/{self.recipe}"


def is_shown(run: Run) -> bool:
    """Whether a run is part of the matrix: all are, or with `runs: scored` those whose scores are there."""
    scores = Path(f"results/{config['experiment']}/scores")
    return config["runs"] == "all" or all((scores / judge / f"{run.path()}.parquet").exists() for judge in JUDGES)


def runs_of(figure: str) -> dict[Run, list[str]]:
    """The runs that a figure shows, each with the languages that it answers there."""
    content = config["figures"][figure]
    runs: dict[Run, list[str]] = {}
    for method, models in methods_shown(config, content).items():
        for model in models:
            for recipe, lang in points_of(config, content):
                answered = runs.setdefault(Run(method, model, recipe), [])
                if lang not in answered:
                    answered.append(lang)
    return {run: languages for run, languages in runs.items() if is_shown(run)}


def answered_languages() -> dict[Run, list[str]]:
    """Every run of every figure, with all languages that it answers: one job, however many figures use it."""
    wanted: dict[Run, set[str]] = {}
    for figure in config["figures"]:
        for run, languages in runs_of(figure).items():
            wanted.setdefault(run, set()).update(languages)
    return {run: [lang for lang in TESTED if lang in languages] for run, languages in wanted.items()}


RUNS = answered_languages()
FIGURES = [figure.removeprefix("figure") for figure in config["figures"] if runs_of(figure)]


wildcard_constraints:
    method="|".join(map(re.escape, METHODS)),
    model="|".join(map(re.escape, config["models"])),
    family="|".join(map(re.escape, config["families"])),
    recipe="|".join(map(re.escape, RECIPES)),
    lang="|".join([*config["languages"]["train"], *TESTED]),
    judge="|".join(map(re.escape, JUDGES)),
    shard=r"\d+",
    number=r"\d+",
