"""What each job of a workflow takes: counted or measured where there are data, and else assumed (`plan`).

A finished job is measured if its program keeps a record. For jobs that are left, rows and tokens are counted as soon as
their files exist, and speeds are those of finished trainings and answers or else, as long as there are none, of the
preflight.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from basics.reading import read_json, read_jsonl
from data.rows import read_rows
from judging.controls import control_rows, read_set
from judging.spending import USAGE_KINDS
from planning import estimates
from planning.findings import measured_in
from planning.jobs import Job, Workflow
from reporting.costs import read_spent
from study.short_forms import place_of
from training.examples import count_tokens

COUNTED, MEASURED, TRIED, ASSUMED = "counted", "measured", "preflight", "assumed"
REHEARSALS = 8  # trial runs by which a micro-batch size is found
NEAR = 4  # ratio of model sizes up to which a measured speed carries over
WRITTEN = {"translate_shard": 2}  # times that a job writes its rows, if not once: to a journal as well
TUNED, BASE, PACKED = 9, 4, 6  # files in a folder of that kind, with the date that Snakemake keeps in each
FOLDERS = {"recipe": 4, "tokenize": 9}  # and in those that these rules make, and otherwise files alone
FOLDERS |= dict.fromkeys(("train", "train_on_nodes", "fetch_tuned"), TUNED)
FOLDERS |= dict.fromkeys(("fetch_base", "base_from_gguf", "pretrain"), BASE)
FOLDERS |= dict.fromkeys(("fetch_tokenizer", "tokenizer_from_gguf", "train_tokenizer"), 3)
FOLDERS |= dict.fromkeys(("fetch_translation_model", "unpack_translation_model"), PACKED)


class Number(NamedTuple):
    """A value, and whether it is counted, measured, of the preflight, or assumed."""

    value: float
    source: str


class Rows(NamedTuple):
    """Training and validation rows of a recipe."""

    train: int
    validation: int
    source: str


class Forecast:
    """What jobs need, one method per quantity."""

    def __init__(self, workflow: Workflow):
        self.config, self.jobs = workflow.config, workflow.jobs
        self.assumed = self.config["plan"]
        self.rate = estimates.device_rate(*(self.assumed[key] for key in ("device", "flops", "mfu")))
        self._makers = {output: job for job in self.jobs for output in job.outputs}

    # ---- which jobs there are

    @cached_property
    def trainings(self) -> list[Job]:
        """Trainings of base models on recipes."""
        return [job for job in self.jobs if "tokens" in job.inputs and job.run]

    @cached_property
    def answerings(self) -> list[Job]:
        return [job for job in self.jobs if job.stage == "respond" and "prompts" in job.inputs]

    @cached_property
    def judgings(self) -> list[Job]:
        return [
            job for job in self.jobs if "judge" in job.wildcards and "responses" in job.inputs and "judge" in job.params
        ]

    def settings(self, job: Job) -> Mapping:
        """The program's --settings."""
        return json.loads(job.params["settings"])

    def parameters(self, job: Job) -> float:
        return self.config["models"][job.wildcards["model"]]["billions"] * 1e9

    def devices(self, job: Job) -> int:
        """Devices that a job occupies: GPUs, or ranks if each is a process on a CPU."""
        nodes = job.resources.get("nodes", 1)
        return job.resources.get("gpu") or max(1, job.threads * nodes // self.config["compute"]["cpus_per_rank"])

    # ---- rows and tokens

    @cached_property
    def seed_rows(self) -> Number:
        if isinstance(sample := self.config["data"]["rows"], int):
            return Number(sample, COUNTED)
        given = place_of(self.config["data"]["seed"], self.config["sources"])
        made = next((job.output for job in self.jobs if job.rule == "seed" and not job.left), given)
        if made:
            return Number(len(read_rows(Path(made))), COUNTED)
        return Number(self.assumed["seed_rows"], ASSUMED)

    def recipe_rows(self, recipe: Job) -> Rows:
        """Rows that the job of rule recipe draws."""
        manifest = Path(recipe.output) / "manifest.json"
        if not recipe.left and manifest.exists():
            drawn = read_json(manifest, dict.fromkeys(("train_rows", "validation_rows"), dict[str, int]))
            return Rows(sum(drawn["train_rows"].values()), sum(drawn["validation_rows"].values()), COUNTED)
        params, languages = recipe.params, len(recipe.inputs["rows"])
        drawn = estimates.recipe_rows(
            params["rows"], int(self.seed_rows.value), languages, params["validation_rows"], params["hold_out"]
        )
        return Rows(*drawn, self.seed_rows.source)

    def rows_of_tokens(self, folder: str) -> Rows:
        return self.recipe_rows(self._makers[self._makers[folder].inputs["recipe"][0]])

    def tokens_a_row(self, family: str) -> float:
        given = self.assumed["tokens_a_row"]
        return given.get(family, given["default"])

    def tokens(self, training: Job) -> Number:
        """Tokens of all epochs, without padding. Exact as soon as the recipe is tokenized."""
        if record := self.records.get(training):
            return Number(record["tokens"], MEASURED)
        settings, folder = self.settings(training), training.inputs["tokens"][0]
        splits = ["train", "validation"] if settings.get("validation") == "nothing-held-out" else ["train"]
        once = [self.tokens_of(folder, split) for split in splits]
        return Number(settings["epochs"] * sum(number.value for number in once), once[0].source)

    def tokens_of(self, folder: str, split: str) -> Number:
        """Tokens of a split of a tokenized recipe: counted once it exists; else its budget, or its rows times the
        assumed tokens per row."""
        made, counts = self._makers[folder], Path(folder) / "counts.json"
        if not made.left and counts.exists():
            return Number(count_tokens(counts, split), COUNTED)
        rows = getattr(self.rows_of_tokens(folder), split)
        assumed = Number(rows * self.tokens_a_row(made.wildcards["family"]), ASSUMED)
        if split == "train" and made.inputs.get("english"):
            return min(assumed, self.tokens_of(made.inputs["english"][0], split))
        if split == "train" and made.params["budget"]:
            return min(assumed, Number(int(list(made.params["budget"])[-1]), ASSUMED))
        return assumed

    # ---- hours

    @cached_property
    def records(self) -> dict[Job, Mapping]:
        """The training.json of each finished training."""
        paths = {job: Path(job.output) / "training.json" for job in self.trainings if not job.left}
        return {job: read_spent(path) for job, path in paths.items() if path.exists()}

    @cached_property
    def _speeds(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """Tokens and device-seconds of the finished trainings, by method and model."""
        spent: dict = defaultdict(lambda: (0.0, 0.0))
        for job, record in self.records.items():
            tokens, seconds = spent[job.run[:2]]
            spent[job.run[:2]] = (tokens + record["tokens"], seconds + record["seconds"] * record["ranks"])
        return {key: values for key, values in spent.items() if all(values)}

    @cached_property
    def _tried(self) -> dict[str, Mapping]:
        """What the preflight has measured, by kind."""
        return measured_in(Path(f"results/{self.config['experiment']}/preflight"))

    def _nearest(self, job: Job, models: Iterable[str]) -> str | None:
        """Of these models, the one that is nearest in size to that of a job, if it is near."""

        def distance(model: str) -> float:
            return abs(math.log(self.config["models"][model]["billions"] * 1e9 / self.parameters(job)))

        near = [model for model in models if model in self.config["models"] and distance(model) <= math.log(NEAR)]
        return min(near, key=distance, default=None)

    def tried(self, job: Job, itself: bool = False) -> Mapping | None:
        """What the preflight has measured of a model of nearly the size of a job's, or of that very model, by the same
        method: its training and answers; None if it has not."""
        kinds = {
            kind.split("/")[2]: found for kind, found in self._tried.items() if kind.split("/")[1:2] == [job.run[0]]
        }
        model = job.run[1] if itself else self._nearest(job, kinds)
        return kinds.get(model) if model else None

    def start_up(self, job: Job) -> float:
        """Seconds that a training or a job of rule respond takes besides."""
        tried = self.tried(job)
        return tried["start_up"] if tried else self.assumed["start_up"]

    def device_seconds(self, training: Job) -> Number:
        """Device-seconds of a training, without start-up."""
        if record := self.records.get(training):
            return Number(record["seconds"] * record["ranks"], MEASURED)
        tokens, (method, model) = self.tokens(training).value, training.run[:2]
        rates = {name: (*spent, MEASURED) for (of, name), spent in self._speeds.items() if of == method}
        for kind, found in self._tried.items():
            if kind.startswith(f"train/{method}/"):
                rates.setdefault(kind.split("/")[2], (found["tokens_per_second"], found["ranks"], TRIED))
        near = model if model in rates else self._nearest(training, rates)
        if near is None:
            flops = estimates.full_training_flops(self.parameters(training), tokens)
            return Number(flops / self.rate, ASSUMED)
        seen, seconds, source = rates[near]
        ratio = self.config["models"][model]["billions"] / self.config["models"][near]["billions"]
        return Number(tokens * ratio * seconds / seen, source)

    def answers(self, job: Job) -> Number:
        """Answers that a job of rule respond generates, or that one of rule judge rates: one per prompt and language;
        planted controls are counted by making them."""
        made = self._makers[job.inputs["responses"][0]] if "responses" in job.inputs else job
        if made.rule == "controls":
            return Number(len(control_rows(read_set({path: path for path in made.inputs["texts"]}))), COUNTED)
        if not made.left and Path(made.output).exists():
            return Number(len(read_jsonl(made.output)), COUNTED)
        return Number(len(made.inputs["prompts"]) * self.config["data"]["prompts_used"], COUNTED)

    @cached_property
    def _answering(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """Answers generated so far, and their seconds including start-up, by method and model."""
        spent: dict = defaultdict(lambda: (0.0, 0.0))
        for job in self.answerings:
            path = Path(f"results/{self.config['experiment']}/benchmarks/respond/{'/'.join(job.run)}.tsv")
            if not job.left and path.exists():
                answers, seconds = spent[job.run[:2]]
                wall = float(path.read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
                spent[job.run[:2]] = (answers + self.answers(job).value, seconds + wall)
        return dict(spent)

    def answering_seconds(self, job: Job) -> Number:
        """Seconds of a job of rule respond, including start-up."""
        answers = self.answers(job).value
        if job.run[:2] in self._answering:
            seen, seconds = self._answering[job.run[:2]]
            return Number(answers * seconds / seen, MEASURED)
        if tried := self.tried(job):
            return Number(self.start_up(job) + answers / tried["answers_per_second"], TRIED)
        return Number(self.assumed["start_up"] + answers / self.assumed["answers_per_second"], ASSUMED)

    @cached_property
    def translated_rows(self) -> Number:
        """Rows that a core translates in a second: those of the slowest model that was tried."""
        tried = [found["rows_per_second"] for kind, found in self._tried.items() if kind.startswith("translate/")]
        return Number(min(tried), TRIED) if tried else Number(self.assumed["translated_rows_per_second"], ASSUMED)

    def seconds(self, job: Job) -> float:
        """Wall time of any job, in seconds."""
        assumed = self.assumed
        if job in self._kinds["training"]:
            return self.start_up(job) + self.device_seconds(job).value / self.devices(job)
        if job in self._kinds["answering"]:
            return self.answering_seconds(job).value
        if job in self._kinds["judging"]:
            return assumed["other_job"] + estimates.judge_seconds(self.calls(job), *self._pace(job))
        if job.rule.startswith("micro_batch"):
            return REHEARSALS * assumed["start_up"]
        if job.rule == "pretrain":
            steps = self.settings(job)
            tokens = steps["steps"] * steps["batch"] * steps["length"]
            return assumed["start_up"] + estimates.full_training_flops(self.parameters(job), tokens) / self.rate
        if job.rule == "translate_shard":
            rows = self.seed_rows.value / job.params["shards"]
            return assumed["other_job"] + rows / (self.translated_rows.value * job.threads)
        return 0.0 if not job.outputs else assumed["other_job"]

    @property
    def translating_seconds(self) -> float:
        """Core-seconds of the translation that is left."""
        return sum(self.seconds(job) * job.threads for job in self.jobs if job.left and job.rule == "translate_shard")

    @cached_property
    def _kinds(self) -> dict[str, set[Job]]:
        return {
            "training": set(self.trainings),
            "answering": set(self.answerings),
            "judging": set(self.judgings),
        }

    # ---- judges

    def share_of_limits(self, job: Job) -> int:
        """Percent of its judge's rate limits that a job uses while it runs."""
        return estimates.share_of_limits(*self._pace(job))

    def _pace(self, job: Job) -> tuple[float, Mapping, float]:
        """What the pace of a job's calls depends on: tokens a call, the settings of its judge, seconds a call."""
        judge = json.loads(job.params["judge"])
        tried = self._tried.get(f"judge/{judge['name']}", self.assumed["judge"])
        return sum(self.usage(judge["name"])[:2]), judge, tried["seconds"]

    def calls(self, job: Job) -> int:
        """Calls of a judge, one per rating; retries of replies without a rating are not included."""
        return int(self.answers(job).value) * json.loads(job.params["judge"]).get("repeats", 1)

    @cached_property
    def _usages(self) -> dict[str, tuple[int, int, int]]:
        """Prompt tokens, reply tokens and calls of the existing ratings, by judge."""
        used: dict = defaultdict(lambda: (0, 0, 0))
        for job in self.judgings:
            if not job.left and Path(job.output).exists():
                for row in read_jsonl(job.output, {"usage": USAGE_KINDS, "attempts": int}):
                    more = (row["usage"]["prompt_tokens"], row["usage"]["completion_tokens"], row["attempts"])
                    used[job.wildcards["judge"]] = tuple(map(sum, zip(used[job.wildcards["judge"]], more, strict=True)))
        return dict(used)

    def usage(self, judge: str) -> tuple[float, float, str]:
        """Tokens of the prompt and of the reply per call, and whether they were measured."""
        if self._usages.get(judge, (0, 0, 0))[2]:
            prompt, completion, calls = self._usages[judge]
            return prompt / calls, completion / calls, MEASURED
        return self.assumed["judge"]["prompt_tokens"], self.assumed["judge"]["completion_tokens"], ASSUMED

    # ---- disk

    def bytes(self, job: Job) -> float:
        """Bytes that a job leaves on disk."""
        assumed, rest = self.assumed["disk"], self.assumed["disk"]["other"]
        if not job.outputs:
            return 0.0
        if job in self._kinds["training"]:
            return rest + estimates.model_bytes(self.parameters(job), self.settings(job))
        if job.stage in ("base", "pretrain") and "model" in job.wildcards:
            return rest + (4 if job.rule in ("pretrain", "base_from_gguf") else 2) * self.parameters(job)
        if job.rule == "tokenize":
            rows = self.rows_of_tokens(job.output)
            total = rows.train + rows.validation
            return rest + estimates.token_bytes(total, total * self.tokens_a_row(job.wildcards["family"]))
        if job.rule == "recipe":
            rows = self.recipe_rows(job)
            return rest + assumed["row"] * (rows.train + rows.validation)
        if job.stage == "translate":
            rows = self.seed_rows.value / job.params.get("shards", 1)
            return rest + assumed["row"] * rows * WRITTEN.get(job.rule, 1)
        if job.run and "responses" in job.inputs:
            return rest + assumed["answer"] * self.answers(job).value
        if job in self._kinds["answering"]:
            return rest + 2 * assumed["answer"] * self.answers(job).value
        return rest

    def files(self, job: Job) -> int:
        """Files that a job leaves, with its logs, its journal and a record of Snakemake's for each output."""
        if not job.outputs:
            return 0
        beside = len(job.logs) + bool(job.benchmark) + any(name.startswith("journal") for name in job.params)
        return beside + FOLDERS.get(job.rule, 1) + len(job.outputs[1:]) + len(job.outputs)

    def checkpoints(self, job: Job) -> float:
        """Bytes of a training's checkpoints, which are removed when it ends."""
        if job not in self._kinds["training"]:
            return 0.0
        return estimates.checkpoint_bytes(self.parameters(job), self.settings(job))


def source_summary(numbers: Iterable[Number]) -> str:
    """Whether numbers were counted, measured, tried or assumed, and how many of each, in words."""
    found: dict[str, int] = {}
    for number in numbers:
        found[number.source] = found.get(number.source, 0) + 1
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{found[name]} {name}" for name in (COUNTED, MEASURED, TRIED, ASSUMED) if name in found)
