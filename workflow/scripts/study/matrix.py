"""The matrix: which model, tuned by which method on which recipe, answers which languages for which figure.

It follows from `languages`, `methods`, `select` and `figures` of a configuration whose short forms are written
out (`study.short_forms.expanded`).
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from study.seeds import Seeds
from study.short_forms import asked, methods_shown, points_of
from study.wildcards import Wildcards


class Run(NamedTuple):
    """One tuned model."""

    method: str
    model: str
    recipe: str  # or its name with another seed (study.seeds)

    @property
    def path(self) -> str:
        """The path of its files below the folders of models, responses, ratings and scores."""
        return "/".join(self)


class Matrix:
    """The runs of a study, each with the languages that it answers."""

    def __init__(self, config: Mapping):
        self._config = config
        self._seeds = Seeds(config)
        languages = config["languages"]
        self.trained: list[str] = languages["train"]
        self.seen: list[str] = languages["seen"]
        self.unseen: list[str] = languages["unseen"]
        self.tested = [*self.seen, *self.unseen]

    def runs_of(self, figure: str) -> dict[Run, list[str]]:
        """The runs that a figure compares, scored or not, each with the languages that it answers for it; a run that is
        repeated with other seeds is followed by these."""
        content = self._config["figures"][figure]
        runs: dict[Run, list[str]] = {}
        for method, models in methods_shown(self._config, content).items():
            for model in models:
                for recipe, lang in points_of(self._config, content):
                    for name in (recipe, *self._seeds.names(method, model, recipe)):
                        languages = runs.setdefault(Run(method, model, name), [])
                        if lang not in languages:
                            languages.append(lang)
        return runs

    def shown_in(self, figure: str) -> dict[Run, list[str]]:
        """The runs of a figure that are part of the results: all, or, with `runs: scored`, those that have scores."""
        return self._shown[figure]

    def is_shown(self, run: Run) -> bool:
        """Whether a run is part of the results: with `runs: scored`, whether it has scores from every asked judge."""
        if self._config["runs"] == "all":
            return True
        scores = Path(f"results/{self._config['experiment']}/scores")
        return all((scores / judge["name"] / f"{run.path}.parquet").exists() for judge in asked(self._config))

    @cached_property
    def _shown(self) -> dict[str, dict[Run, list[str]]]:
        return {
            figure: {run: languages for run, languages in self.runs_of(figure).items() if self.is_shown(run)}
            for figure in self._config["figures"]
        }

    @cached_property
    def runs(self) -> dict[Run, list[str]]:
        """Every run of the results, with all languages that its figures need; one job answers them all."""
        wanted: dict[Run, set[str]] = {}
        for shown in self._shown.values():
            for run, languages in shown.items():
                wanted.setdefault(run, set()).update(languages)
        return {run: [lang for lang in self.tested if lang in languages] for run, languages in wanted.items()}

    def runs_with(self, wildcards: Wildcards) -> list[Run]:
        """The runs of a method and model."""
        return [run for run in self.runs if run[:2] == (wildcards.method, wildcards.model)]

    @property
    def paths(self) -> list[str]:
        """The path of every run."""
        return [run.path for run in self.runs]

    @property
    def models(self) -> list[str]:
        """The base models of all runs, in the order of the figures."""
        return list(dict.fromkeys(run.model for run in self.runs))

    @property
    def figures(self) -> list[str]:
        """Numbers of the figures that have something to show."""
        return [figure.removeprefix("figure") for figure, shown in self._shown.items() if shown]
