"""The resources of jobs: ranks, nodes, cores, memory, GPUs and time, by method and model size."""

from collections.abc import Mapping

from humanfriendly import parse_size

from study.wildcards import Wildcards


class Compute:
    """The rows of `compute`. A rank is a process of a training, with its own GPU if there are GPUs."""

    def __init__(self, config: Mapping):
        self._settings = config["compute"]
        self._node = config["compute"]["node"]
        self._methods = config["methods"]
        self._billions = {model: entry["billions"] for model, entry in config["models"].items()}

    @property
    def accelerator(self) -> str:
        """What programs are told to compute with: gpu or cpu."""
        return self._settings["accelerator"]

    @property
    def cores_of_rank(self) -> int:
        """CPU cores of a rank."""
        return self._settings["cpus_per_rank"]

    def request(self, wildcards: Wildcards) -> Mapping:
        """The row of `compute` for a method and model: the smallest that covers the model's size."""
        return self._row(wildcards.method, wildcards.model)

    def _row(self, method: str, model: str) -> Mapping:
        rows = sorted(self._settings[method], key=lambda row: row["up_to"])
        return next(row for row in rows if row["up_to"] >= self._billions[model])

    def gpus(self, ranks: int) -> int:
        """GPUs of a job with this many ranks; none where the accelerator is the CPU."""
        return ranks if self._settings["accelerator"] == "gpu" else 0

    # ---- a training

    def gpus_of_training(self, wildcards: Wildcards) -> int:
        """GPUs of a training, over all its nodes."""
        return self.gpus(self.request(wildcards)["ranks"])

    def runtime(self, wildcards: Wildcards) -> str:
        """Time limit of a training, as in 24h."""
        return self.request(wildcards)["runtime"]

    def ranks_of_node(self, wildcards: Wildcards) -> int:
        """Ranks of a training on each of its nodes."""
        return min(self.request(wildcards)["ranks"], self._node["gpus"])

    def nodes(self, wildcards: Wildcards) -> int:
        """Nodes of a training."""
        return self.request(wildcards)["ranks"] // self.ranks_of_node(wildcards)

    def cores_of_node(self, wildcards: Wildcards) -> int:
        """Cores of a training on each of its nodes."""
        return self.ranks_of_node(wildcards) * self.cores_of_rank

    def memory_of_node(self, wildcards: Wildcards, attempt: int) -> int:
        """Memory of a job on each of its nodes, in MB: half as much again at each retry, up to a whole node."""
        wanted = parse_size(self.request(wildcards)["memory"]) * (1 + attempt) // 2
        return min(wanted, parse_size(self._node["memory"])) // 10**6

    def memory_of_rank(self, wildcards: Wildcards) -> int:
        """Memory of each rank on a node at the first attempt, in bytes."""
        return parse_size(self.request(wildcards)["memory"]) // self.ranks_of_node(wildcards)

    def launcher(self, wildcards: Wildcards) -> list[str | int]:
        """The command in front of train.py: none for a single process, else the program that starts one process per
        rank on all nodes."""
        ranks, nodes = self.ranks_of_node(wildcards), self.nodes(wildcards)
        if ranks == 1 and self._methods[wildcards.method]["of"] == "lora":
            return []
        return ["workflow/scripts/launch.py", "--ranks", ranks, *(["--nodes", nodes] if nodes > 1 else [])]

    def models_on_several_nodes(self) -> list[str]:
        """Models whose full-parameter training takes more than one node."""
        largest = max(row["up_to"] for row in self._settings["full"])
        trainable = [model for model, billions in self._billions.items() if billions <= largest]
        return [model for model in trainable if self._row("full", model)["ranks"] > self._node["gpus"]]
