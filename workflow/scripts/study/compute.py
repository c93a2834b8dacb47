"""What jobs ask for: ranks, nodes, cores, memory, GPUs and time, by method and size of the model."""

from collections.abc import Mapping

from humanfriendly import parse_size

from study.matrix import Run
from study.wildcards import Wildcards


class Compute:
    """The rows of `compute`. A rank is a process of a training, on a GPU of its own where there are GPUs."""

    def __init__(self, config: Mapping):
        self._settings = config["compute"]
        self._node = config["compute"]["node"]
        self._methods = config["methods"]
        self._billions = {model: entry["billions"] for model, entry in config["models"].items()}

    @property
    def cores_of_rank(self) -> int:
        """CPU cores of a rank."""
        return self._settings["cpus_per_rank"]

    def request(self, wildcards: Wildcards | Run) -> Mapping:
        """The row of `compute` for a method and model: the first, by size, that reaches the model's."""
        rows = sorted(self._settings[wildcards.method], key=lambda row: row["up_to"])
        return next(row for row in rows if row["up_to"] >= self._billions[wildcards.model])

    def gpus(self, ranks: int) -> int:
        """GPUs of a job of so many ranks; none where the accelerator is the CPU."""
        return ranks if self._settings["accelerator"] == "gpu" else 0

    # ---- of a training

    def gpus_of_training(self, wildcards: Wildcards) -> int:
        """GPUs of a training, on all its nodes."""
        return self.gpus(self.request(wildcards)["ranks"])

    def runtime(self, wildcards: Wildcards) -> str:
        """Longest time of a training, as in 24h."""
        return self.request(wildcards)["runtime"]

    def ranks_of_node(self, wildcards: Wildcards | Run) -> int:
        """Ranks of a training on each of its nodes."""
        return min(self.request(wildcards)["ranks"], self._node["gpus"])

    def nodes(self, wildcards: Wildcards | Run) -> int:
        """Nodes of a training."""
        return self.request(wildcards)["ranks"] // self.ranks_of_node(wildcards)

    def cores_of_node(self, wildcards: Wildcards) -> int:
        """Cores of a training on each of its nodes."""
        return self.ranks_of_node(wildcards) * self.cores_of_rank

    def memory_of_node(self, wildcards: Wildcards, attempt: int) -> int:
        """MB of a job on each of its nodes: half as much again at each further attempt, up to what a node has."""
        wanted = parse_size(self.request(wildcards)["memory"]) * (1 + attempt) // 2
        return min(wanted, parse_size(self._node["memory"])) // 10**6

    def memory_of_rank(self, wildcards: Wildcards) -> int:
        """Bytes of a node's memory for each rank, at the first attempt."""
        return parse_size(self.request(wildcards)["memory"]) // self.ranks_of_node(wildcards)

    def launcher(self, wildcards: Wildcards) -> list[str | int]:
        """What goes before train.py: nothing where one process is all, or the program that starts a process a rank, on
        all nodes."""
        ranks, nodes = self.ranks_of_node(wildcards), self.nodes(wildcards)
        if ranks == 1 and self._methods[wildcards.method]["of"] == "lora":
            return []
        return ["workflow/scripts/launch.py", "--ranks", ranks, *(["--nodes", nodes] if nodes > 1 else [])]

    def models_on_several_nodes(self) -> list[str]:
        """Models whose full-parameter training takes more than one node."""
        largest = max(row["up_to"] for row in self._settings["full"])
        trainable = [model for model, billions in self._billions.items() if billions <= largest]
        return [model for model in trainable if self.nodes(Run("full", model, "")) > 1]
