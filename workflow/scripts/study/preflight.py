"""The preflight: which kinds of job a run makes. One of each is tried, small, before the run starts.

Trainings are of one kind if they have the same method and row of `compute`: the largest model among them is tried, as
it needs the most. Translations are of one kind if their models have the same architecture.
"""

import json
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from planning.estimates import checkpoint_bytes, model_bytes
from study.compute import Compute
from study.judges import Judges
from study.matrix import Matrix, Run
from study.origins import REGISTRY
from study.recipes import Recipes
from study.sources import Sources
from study.trainings import Trainings
from study.translations import ENGINES, Translations
from study.wildcards import Chosen, Wildcards
from translating.registry import read_registry

HUB = "https://huggingface.co"
MINUTES = 10  # the time limit of each job, whose program ends before it (planning/trials.py)


class Preflight:
    """The kinds of job of a study's runs, as paths: train/lora/pythia-12b, translate/es, judge/NAME, identify; and
    respond/lora/pythia-12b for a tuned model that is not trained here. What is found out about a kind is in the file of
    that name in <results>/preflight/."""

    minutes = MINUTES
    also_tried = ("preflight_ranks", "micro_batch", "launch", "respond", "merge_adapter")  # programs, with a training

    def __init__(
        self,
        config: Mapping,
        matrix: Matrix,
        compute: Compute,
        trainings: Trainings,
        recipes: Recipes,
        translations: Translations,
        judges: Judges,
    ):
        self._config, self._compute, self._trainings = config, compute, trainings
        self._translations, self._judges = translations, judges
        here = trainings.methods_from("trained")
        self._runs = [run for run in matrix.runs if run.method in here]
        self._released = [run for run in matrix.runs if run.method not in here]
        languages = recipes.languages_of(run.recipe for run in self._runs)
        self._engine = [lang for lang in languages if lang != matrix.trained[0] and translations.kind(lang) in ENGINES]

    # ---- the kinds

    @property
    def trained(self) -> list[tuple[str, str]]:
        """Method and model of the training of each kind, with its answers."""
        return self._largest(self._runs)

    @property
    def answered(self) -> list[tuple[str, str]]:
        """Method and model of the answers of each kind, of those that are not trained here."""
        return self._largest(self._released)

    def _largest(self, runs: Iterable[Run]) -> list[tuple[str, str]]:
        """Of all that have the same base method and row of `compute`, the largest model."""
        billions = {model: entry["billions"] for model, entry in self._config["models"].items()}
        pairs = dict.fromkeys((run.method, run.model) for run in runs)
        largest: dict[tuple[str, str], tuple[str, str]] = {}
        for method, model in sorted(pairs, key=lambda pair: -billions[pair[1]]):
            chosen = Chosen(method=method, model=model)
            row = json.dumps(self._compute.request(chosen), sort_keys=True)
            largest.setdefault((self._trainings.base_method(chosen), row), (method, model))
        return sorted(largest.values(), key=lambda pair: (pair[0], billions[pair[1]]))

    @property
    def translated(self) -> list[str]:
        """A language for each architecture of the engine's models."""
        kinds: dict[str, str] = {}
        for lang in self._engine:
            kind = self._translations.kind(lang)
            kinds.setdefault(self._translations.architecture(Chosen(lang=lang)) if kind == "firefox" else kind, lang)
        return list(kinds.values())

    @property
    def kinds(self) -> dict[str, str]:
        """What each kind of job asks for, in words, by its path."""
        cores = _count(self._config["translation"]["workers"], "core")
        return {
            **{f"translate/{lang}": cores for lang in self.translated},
            **{f"train/{method}/{model}": self._asked(method, model) for method, model in self.trained},
            **{f"respond/{method}/{model}": self._asked_to_answer(method, model) for method, model in self.answered},
            **{f"judge/{name}": self._asked_by_judge(entry) for name, entry in self._judges.entries.items()},
            "identify": "1 core",
        }

    @property
    def findings(self) -> list[str]:
        """The file of each kind."""
        return [f"<results>/preflight/{kind}.json" for kind in self.kinds]

    def _asked(self, method: str, model: str) -> str:
        chosen = Chosen(method=method, model=model)
        nodes, row = self._compute.nodes(chosen), self._compute.request(chosen)
        parts = [_count(row["ranks"], "GPU" if self._compute.accelerator == "gpu" else "CPU rank")]
        parts += [f"{nodes} nodes"] if nodes > 1 else []
        parts += [f"ZeRO {row['zero_stage']}"] if row.get("zero_stage") else []
        return ", ".join([*parts, f"{row['memory']} a node"])

    def _asked_to_answer(self, method: str, model: str) -> str:
        memory = self._compute.request(Chosen(method=method, model=model))["memory"]
        return f"{'1 GPU' if self._compute.accelerator == 'gpu' else '1 CPU rank'}, {memory}"

    def released(self, wildcards: Wildcards) -> str:
        """The folder of a tuned model that is not trained here, of this method and base model: its first recipe."""
        run = next(run for run in self._released if (run.method, run.model) == (wildcards.method, wildcards.model))
        return f"<results>/models/{run.path}"

    def _asked_by_judge(self, judge: Mapping) -> str:
        if "serve" not in judge:
            return "an API"
        return _count(judge["gpus"], "GPU") if "gpus" in judge else "1 core"

    # ---- what jobs and the page are told

    def hosts(self, sources: Sources, downloads: Iterable[str]) -> list[str]:
        """The hosts that these files and folders come from."""
        urls = []
        for path in downloads:
            stage, _, name = path.removeprefix("<results>/").partition("/")
            if stage == "downloads":
                urls.append(sources.downloads[name].url)
            else:
                urls.append(read_registry(REGISTRY)["index"] if stage == "translation_models" else HUB)
        return sorted({urlsplit(url).netloc for url in urls})

    def weights_of(self, wildcards: Wildcards) -> list[str]:
        """The record of the weights that a judge's server takes from the hub, if it does."""
        return [f"<results>/judge_weights/{wildcards.judge}.json"] if wildcards.judge in self._judges.weights else []

    def about(self, results: str, downloads: Iterable[str]) -> str:
        """What preflight.py is told, as JSON: the kinds, the files that are downloaded, and the bytes of all tuned
        models and the checkpoints of one training."""
        return json.dumps(
            {
                "results": results,
                "kinds": self.kinds,
                "downloads": [path.replace("<results>", results) for path in downloads],
                "assumed": self._config["plan"],
                "needed": {"bytes": round(self._bytes_of_models())},
                "parameters": {model: entry["billions"] * 1e9 for model, entry in self._config["models"].items()},
            }
        )

    def _bytes_of_models(self) -> float:
        sizes, checkpoints = [0.0], [0.0]
        for run in self._runs:
            row = self._compute.request(Chosen(method=run.method, model=run.model))
            size = self._config["models"][run.model]["billions"] * 1e9, self._trainings.settings_of(run.method, row)
            sizes.append(model_bytes(*size))
            checkpoints.append(checkpoint_bytes(*size))
        return sum(sizes) + max(checkpoints)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
