"""Judges: their settings, the resources of their jobs, and the environment variables of their keys."""

import json
from collections.abc import Iterable, Mapping

from humanfriendly import parse_size

from serving.client import KEY_VARIABLE
from serving.server import command_words
from study.compute import Compute
from study.short_forms import asked
from study.wildcards import Wildcards, one_of

SIDE_BY_SIDE = 4  # jobs that call judges' endpoints: enough that the next run starts while others wait for replies
RESOURCES = ("gpus", "memory", "runtime")  # of the job that serves a judge
OF_THE_JOB = {"label", "files", *RESOURCES}  # keys that do not affect what a judge is asked
OF_PEOPLE = {"name", "label", "human", "sheet_key"}  # keys of a judge that is a person


class Judges:
    """The entries of `judges`, by name: `entries` are those that are asked, `people` those that are people."""

    def __init__(self, config: Mapping, compute: Compute):
        self.entries: dict[str, Mapping] = {judge["name"]: judge for judge in asked(config)}
        self.people: dict[str, Mapping] = {judge["name"]: judge for judge in config["judges"] if "human" in judge}
        self._compute = compute

    @property
    def names(self) -> list[str]:
        return list(self.entries)

    @property
    def first(self) -> Mapping:
        """The judge whose ratings figures show."""
        return next(iter(self.entries.values()))

    @property
    def prices(self) -> str:
        """US dollars per million tokens by judge, where known, as JSON."""
        return json.dumps({name: judge["price"] for name, judge in self.entries.items() if "price" in judge})

    @property
    def weights(self) -> dict[str, Mapping[str, str]]:
        """By judge: `repo` and `revision` on the hub of the model that its server's command names with --revision."""
        found = {}
        for name, judge in self.entries.items():
            words = command_words(judge.get("serve", []))
            if judge["model"] in words and "--revision" in words[:-1]:
                found[name] = {"repo": judge["model"], "revision": words[words.index("--revision") + 1]}
        return found

    def weights_of(self, wildcards: Wildcards) -> Mapping[str, str]:
        """The entry of `weights` of a judge."""
        return self.weights[wildcards.judge]

    # ---- keys

    def key_variable(self, name: str) -> str:
        """The environment variable that holds a judge's key."""
        return self.entries[name].get("key_env", KEY_VARIABLE)

    def keys_wanted(self, called: Iterable[str]) -> dict[str, str]:
        """The variables that must be set to call these judges, each with the name of a judge."""
        return {self.key_variable(name): name for name in sorted(called) if "serve" not in self.entries[name]}

    def secrets(self, settings: Mapping) -> dict[str, list[str]]:
        """For a job that serves a model: the variables that its server must not see: the keys of all judges."""
        return {"secrets": sorted({self.key_variable(name) for name in self.entries})} if settings.get("serve") else {}

    # ---- a job

    def settings(self, wildcards: Wildcards) -> str:
        """The settings of a judge, as JSON."""
        return json.dumps(self.settings_of(wildcards.judge))

    def settings_of(self, name: str) -> dict[str, object]:
        """The settings of a judge for judge.py, without its label in figures and the resources of its job."""
        settings = {key: value for key, value in self.entries[name].items() if key not in OF_THE_JOB}
        return settings | self.secrets(settings)

    def files(self, wildcards: Wildcards) -> list[str]:
        """Files that a judge's answers depend on."""
        return self.entries[wildcards.judge].get("files", [])

    def at_apis(self) -> str:
        """Constraint on the judges at an API."""
        return one_of(name for name, judge in self.entries.items() if "serve" not in judge)

    def turns(self, wildcards: Wildcards) -> int:
        """The resource `judging` of a job at an API, of which the profiles have SIDE_BY_SIDE: all of it for batches
        with a budget, which are checked against it as a whole; none for other batches, which only wait."""
        judge = self.entries[wildcards.judge]
        if judge.get("api") != "batch":
            return 1
        return SIDE_BY_SIDE if "budget" in judge else 0

    # ---- people

    def sheet(self, wildcards: Wildcards) -> str:
        """The rating sheet that a person filled in."""
        return self.people[wildcards.human]["human"]

    def sheet_key(self, wildcards: Wildcards) -> str:
        """The key that was written with it."""
        return self.people[wildcards.human]["sheet_key"]

    # ---- a judge that its job serves on GPUs

    def on_gpus(self) -> str:
        """Constraint on those judges."""
        return one_of(name for name, judge in self.entries.items() if "gpus" in judge)

    def gpus(self, wildcards: Wildcards) -> int:
        return self._compute.gpus(self.entries[wildcards.judge]["gpus"])

    def cores(self, wildcards: Wildcards) -> int:
        return self.entries[wildcards.judge]["gpus"] * self._compute.cores_of_rank

    def memory(self, wildcards: Wildcards) -> int:
        """Memory of the job, in MB."""
        return parse_size(self.entries[wildcards.judge].get("memory", "64GB")) // 10**6

    def runtime(self, wildcards: Wildcards) -> str:
        """Time limit of the job, as in 4h."""
        return self.entries[wildcards.judge].get("runtime", "4h")
