"""What figures, tables, the budget figure and claims show: the settings of their programs, as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property

from judging.ratings import BEST_RATING
from reporting.names import SERIES, Names, model_names
from study.matrix import Matrix
from study.paper_figures import lacking
from study.recipes import Recipes
from study.series import recipe_of
from study.short_forms import Sweep, asked, methods_shown, selected_models
from study.wildcards import Wildcards

TITLES = {  # by kind of figure, worded like the paper's captions
    "size": "{methods} fine-tuning on {families} at different sizes",
    "unseen": "{methods} fine-tuning on {families} at different sizes, tested on unseen languages",
    "consistency": "Score lost to language identification: {methods} fine-tuning on {families}",
    "family": "{methods} fine-tuning on {size}models of several families",
    "sweep": "{methods} fine-tuning on {families}, by {swept}",
}
LISTED = {  # shorter: the list of the report is as wide as its longest line, which is taken from the figure beside it
    "size": "{methods} on {families}",
    "unseen": "{methods} on {families}, unseen languages",
    "consistency": "Score lost to language identification",
    "family": "{methods} on {size}models of several families",
    "sweep": "{methods} on {families}, by {swept}",
}
SWEPT = {"first": "number of training languages", "others": "rows in other languages"}


class Selections:
    """The settings of the programs that draw, tabulate or test scores."""

    def __init__(self, config: Mapping, matrix: Matrix, recipes: Recipes, table: Mapping[str, Mapping]):
        """`table` is resources/languages.yaml by language."""
        self._config = config
        self._matrix, self._recipes, self._mixes, self._table = matrix, recipes, recipes.mixes, table
        self._methods = {method: entry["label"] for method, entry in config["methods"].items()}
        self._prompts = config["data"]["prompts_used"]
        self.uncertainty = config["uncertainty"] | {"seed": config["random_seed"]}

    # ---- figures

    def figure(self, wildcards: Wildcards) -> str:
        """The settings of a figure."""
        content = self._config["figures"][f"figure{wildcards.number}"]
        runs = {method: selected_models(self._config, names) for method, names in content["runs"].items()}
        models = self._models_in(content)
        panels = self._matrix.unseen if content["kind"] == "unseen" else self._matrix.seen
        settings = {
            "number": int(wildcards.number),
            "kind": content["kind"],
            "title": self._worded(TITLES, content),
            "runs": runs,
            "models": models,
            "languages": self._names(panels),
            "own": {lang: self._table[lang]["own"] for lang in panels if "own" in self._table[lang]},
            "panels": panels,
            "methods": self._methods,
            "maximum": BEST_RATING * self._prompts,
            "uncertainty": self.uncertainty,
            "judge": self._first_judge["label"],
            "note": self._config["note"],
            "missing_tolerated": self._config["score"]["missing_tolerated"],
            "lacking": self._lacking(f"figure{wildcards.number}"),
        }
        if content["kind"] == "sweep":
            settings["sweep"] = self._swept(content)
        if "series" in content:
            settings |= {"series": content["series"], "labels": self._labels(content["series"])}
        return json.dumps(settings)

    def listed(self, wildcards: Wildcards) -> dict[str, str]:
        """How the list of the report names a figure: by its number and a short title."""
        title = self._worded(LISTED, self._config["figures"][f"figure{wildcards.number}"])
        return {"title": f"Figure {wildcards.number}: {title}"}

    def _models_in(self, content: Mapping) -> dict[str, dict]:
        """The models in a figure, each once, with what it needs to know about them."""
        shown = selected_models(self._config, [name for names in content["runs"].values() for name in names])
        return {model: self._model(model) for model in shown}

    def _lacking(self, figure: str) -> list[str]:
        """What the paper's figure shows and this one does not, in words."""
        families = self._config["families"]
        return [
            f"{self._within_a_sentence[method]} fine-tuning on {families[family]['label']}"
            for method, family in lacking(self._config, figure)
        ]

    @property
    def _within_a_sentence(self) -> dict[str, str]:
        return self._methods | {"full": "full-parameter"}

    def _worded(self, titles: Mapping[str, str], content: Mapping) -> str:
        models = list(self._models_in(content).values())
        title = titles[content["kind"]].format(
            methods=" and ".join(self._within_a_sentence[method] for method in content["runs"]),
            families=" and ".join(dict.fromkeys(model["label"] for model in models)),
            size=_common_size(models),
            swept=self._swept(content)["name"] if content["kind"] == "sweep" else "",
        )
        return title[0].upper() + title[1:]

    def _swept(self, content: Mapping) -> dict:
        """The x axis of a figure of kind sweep: the setting that is swept, what it belongs to, and the recipe or method
        at each value."""
        sweep: Sweep = self._config["sweeps"][content["sweep"]]
        name = SWEPT.get(sweep.key, sweep.key.replace("_", " "))
        return {
            "name": name,
            "of": sweep.of or "recipes",
            "members": [list(member) for member in sweep.members.items()],
        }

    # ---- the budget figure

    @cached_property
    def budget_runs(self) -> dict[str, dict[str, list[str]]]:
        """The series that answer every seen language, over all figures, by method and model, scored or not."""
        points: dict[tuple[str, str], set[tuple[str, str]]] = {}  # recipe and language, by method and model
        for figure in self._config["figures"]:
            for run, languages in self._matrix.runs_of(figure).items():
                points.setdefault((run.method, run.model), set()).update((run.recipe, lang) for lang in languages)
        known = dict.fromkeys([*SERIES, *self._config["recipes"]])
        runs: dict[str, dict[str, list[str]]] = {}
        for (method, model), answered in points.items():
            complete = [
                series
                for series in known
                if all((recipe_of(series, lang), lang) in answered for lang in self._matrix.seen)
            ]
            if complete:
                runs.setdefault(method, {})[model] = complete
        return runs

    def budget(self) -> str:
        """The settings of the budget figure."""
        by_model = [entry for models in self.budget_runs.values() for entry in models.items()]
        return json.dumps(
            {
                "runs": self.budget_runs,
                "models": {model: self._model(model) for model, _ in by_model},
                "methods": self._methods,
                "labels": self._labels(name for _, names in by_model for name in names),
                "langs": self._matrix.seen,
                "trained": len(self._matrix.trained),
                "missing_tolerated": self._config["score"]["missing_tolerated"],
                "prompts": self._prompts,
                "uncertainty": self.uncertainty,
                "judge": {key: self._first_judge[key] for key in ("name", "label")},
                "note": self._config["note"],
            }
        )

    # ---- claims and tables

    def claims(self) -> str:
        """The settings of the claims: the models of every figure, scored or not."""
        figures = self._config["figures"].items()
        return json.dumps(
            {
                "figures": {figure: methods_shown(self._config, content) for figure, content in figures},
                "models": {
                    model: {key: entry[key] for key in ("family", "billions")}
                    for model, entry in self._config["models"].items()
                },
                "families": {family: entry["label"] for family, entry in self._config["families"].items()},
                "methods": self._methods,
                "languages": {"seen": self._matrix.seen, "unseen": self._matrix.unseen},
                "names": self._names(self._matrix.tested),
                "labels": self._own_labels,
                "prompts": self._prompts,
                "uncertainty": self.uncertainty,
            }
        )

    def hyperparameters(self) -> str:
        """The contents of Table 1: the settings of each method, and the modules that LoRA adapts in each family."""
        families = dict.fromkeys(self._config["models"][run.model]["family"] for run in self._matrix.runs)
        entries = [self._config["families"][family] for family in families]
        train = self._config["train"]
        modules = {entry["label"]: entry["adapter_modules"] for entry in entries}
        settings = {"lora": {"modules": modules} | train["lora"], "full": train["full"]}
        for method in dict.fromkeys(run.method for run in self._matrix.runs if run.method not in settings):
            origin = {"label": self._methods[method], "like": self._config["methods"][method]["of"]}
            settings[method] = origin | train[method]
        return json.dumps(settings)

    # ---- names

    def named_languages(self) -> list[str]:
        """The tested languages, as LANG=NAME."""
        return [f"{lang}={name}" for lang, name in self._names(self._matrix.tested).items()]

    def names(self) -> str:
        """What methods, models, recipes and languages are called (reporting/names.py)."""
        models = {model: self._model(model) for model in self._matrix.models}
        names = Names(
            methods=self._methods,
            models=model_names(models),
            families={model: entry["label"] for model, entry in models.items()},
            recipes=self._own_labels,
            languages=self._names(self._matrix.tested),
        )
        known = self._recipes
        repeated = {
            name: f"{names.recipe(known.of_run(name))}, seed {known.seed(name)}"
            for name in known.names
            if known.of_run(name) != name
        }
        return json.dumps(asdict(names) | {"recipes": names.recipes | repeated})

    @property
    def _first_judge(self) -> Mapping:
        return asked(self._config)[0]

    def _names(self, languages: Iterable[str]) -> dict[str, str]:
        return {lang: self._table[lang]["name"] for lang in languages}

    def _model(self, model: str) -> dict:
        """What a figure needs to know about a model."""
        entry = self._config["models"][model]
        label = self._config["families"][entry["family"]]["label"]
        return {"family": entry["family"], "label": label, "billions": entry["billions"]}

    def _labels(self, series: Iterable[str]) -> dict[str, str]:
        """The labels of series in figures: from the configuration, or the paper, or else their names."""
        return {name: self._label(name) for name in series}

    def _label(self, series: str) -> str:
        return self._own_labels.get(series) or SERIES.get(series, series)

    @property
    def _own_labels(self) -> dict[str, str]:
        """The labels that recipes of the configuration have."""
        return {recipe: mix["label"] for recipe, mix in self._mixes.items() if "label" in mix}


def _common_size(models: Sequence[Mapping]) -> str:
    """The size of all models in whole billions of parameters, as in "7B "; "" if they differ or are below one."""
    sizes = {round(model["billions"]) for model in models}
    return f"{sizes.pop()}B " if len(sizes) == 1 and 0 not in sizes else ""
