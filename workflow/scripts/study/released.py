"""Released tuned models, used in place of training: the authors' repositories, with their names and pins.

The registry, resources/released-models.yaml, has a pin for each repository, and lists under `pickled` the repositories
(or patterns of names) that have weights only in pickle format.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from basics.errors import InputError
from basics.kinds import fields_fault
from basics.paths import REPOSITORY
from basics.reading import read_yaml
from study.bases import Bases
from study.matrix import Run
from study.wildcards import Wildcards

REGISTRY = REPOSITORY / "resources" / "released-models.yaml"
CONFIGS = {"lora": "adapter_config.json", "full": "config.json"}  # the file that marks a folder as a model, by method


def folder_of(config: Mapping, method: str, model: str, recipe: str) -> str | None:
    """The user's folder of a released model, if the configuration names one."""
    path = config["released"][method]["path"]
    return path and path.replace("{model}", model).replace("{recipe}", recipe)


def repository_of(config: Mapping, method: str, model: str, recipe: str) -> str:
    """The authors' repository of a model and recipe, under the authors' names: mono-es is es."""
    released = config["released"]
    recipe = released["recipes"].get(recipe, recipe.removeprefix("mono-"))
    model = released[method]["models"].get(model, model)
    return released[method]["repo"].replace("{model}", model).replace("{recipe}", recipe)


def read_released_registry(path: Path = REGISTRY) -> dict:
    """The registry: `models`, a pin for each repository, and `pickled`, patterns of repository names.

    Raises InputError when a pin does not determine what is downloaded: a branch may move, so it needs the hashes of
    its weights.
    """
    registry = read_yaml(path, fields={"models": dict, "pickled": list[str]})
    for repo, pin in registry["models"].items():
        fault = fields_fault(pin, {"revision": str, "sha256": dict}) if isinstance(pin, dict) else "is not a pin"
        if fault:
            raise InputError(f"{path}: {repo}: {fault}; give its revision, and sha256 by file")
        hashes = pin["sha256"].values()
        if any(value is not None and not re.fullmatch(r"[0-9a-f]{64}", value) for value in hashes):
            raise InputError(f"{path}: {repo}: sha256 is not 64 hexadecimal digits; write null if it is not known")
        if not re.fullmatch(r"[0-9a-f]{40}", pin["revision"]) and not (pin["sha256"] and all(hashes)):
            raise InputError(
                f"{path}: {repo}: revision is {pin['revision']!r}, which is not a commit (40 hexadecimal digits);"
                " give the commit, or the sha256 of every weights file"
            )
    return registry


def pin_of(repo: str, registry: Mapping) -> dict:
    """A repository's pin: revision, and sha256 by file. Raises InputError if it has none, or only pickled weights."""
    if repo in registry["models"]:
        return registry["models"][repo]
    if any(fnmatchcase(repo, pattern) for pattern in registry["pickled"]):
        raise InputError(
            f"{repo} has only pickled weights, which are not loaded; convert them to safetensors (config/README.md"
            " says how) and name the folders as `path` of this method in `released`"
        )
    raise InputError(
        f"there is no pin for {repo}; add its commit (and the sha256 of its weights, or null) to"
        " resources/released-models.yaml, or name folders as `path` of this method in `released`"
    )


class ReleasedModels:
    """The tuned models of a study that are downloaded or copied in place of training."""

    def __init__(self, config: Mapping, bases: Bases):
        self._config, self._bases = config, bases

    def folder(self, wildcards: Wildcards) -> str | list[str]:
        """The user's folder of a model; empty if it comes from a repository."""
        return folder_of(self._config, wildcards.method, wildcards.model, wildcards.recipe) or []

    def options(self, wildcards: Wildcards) -> list[str]:
        """Options of fetch_tuned.py: where a model comes from, its pin, and what it must match.

        Raises InputError when its repository has no pin.
        """
        folder = self.folder(wildcards)
        options = ["--path", str(folder)] if folder else self._repository_options(wildcards)
        if wildcards.method == "lora":
            options += ["--adapter-modules", *self._bases.adapter_modules(wildcards)]
            base = self._config["models"][wildcards.model]
            options += ["--base-repo", base["repo"]] if "repo" in base else []
        return options

    def _repository_options(self, wildcards: Wildcards) -> list[str]:
        repo = repository_of(self._config, wildcards.method, wildcards.model, wildcards.recipe)
        pin = pin_of(repo, read_released_registry())
        hashes = [f"{file}={value}" for file, value in pin["sha256"].items() if value]
        return [
            "--repo",
            repo,
            "--revision",
            pin["revision"],
            *(word for each in hashes for word in ("--sha256", each)),
        ]


def check_released(study: Mapping, runs: Sequence[Run]) -> None:
    """Raise InputError unless each of the runs has its own folder, or a repository with a pin."""
    for method in dict.fromkeys(run.method for run in runs):
        place = "path" if study["released"][method]["path"] else "repo"
        for part in ("{model}", "{recipe}"):
            if part not in study["released"][method][place]:
                raise InputError(f"config: released.{method}.{place}: is the same for all runs; put {part} in it")
    faults, registry = [], read_released_registry(REGISTRY)
    for run in runs:
        if not folder_of(study, *run):
            try:
                pin_of(repository_of(study, *run), registry)
            except InputError as fault:
                faults.append(str(fault))
    if faults:
        more = f" ({len(faults) - 1} more of {len(runs)} models cannot be downloaded either)" if len(faults) > 1 else ""
        raise InputError(f"config: train.source: {faults[0]}{more}")
