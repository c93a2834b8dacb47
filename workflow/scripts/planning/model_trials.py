"""Steps of the preflight that concern a model: what its ranks see, and its answers."""

import json
import math
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from basics.errors import InputError
from basics.reading import read_json, read_jsonl
from basics.writing import write_jsonl
from planning.trials import Trial, Unexplained

PROGRAMS = Path(__file__).resolve().parents[1]
MEET_WITHIN = 150.0  # seconds in which all ranks must have started, met and read the weights
LEAST = 8  # answers of a batch
QUESTIONS = [
    "What is the capital of France?",
    "Write a short poem about the sea.",
    "How many legs does a spider have?",
    "Explain why the sky is blue.",
    "Name three kinds of fruit, and say what each tastes like.",
    "Give me advice on how to learn a language.",
    "Which river flows through London?",
    "Describe your favourite season in two sentences.",
]


class TriedModel(NamedTuple):
    """A base model and what it needs; `accelerator` is gpu, cpu or None, as programs are told."""

    method: str
    base: Path
    tokenizer: Path
    accelerator: str | None

    @property
    def device_options(self) -> list[str]:
        return ["--accelerator", self.accelerator] if self.accelerator else []


# ---- ranks


def ranks_of(launcher: Sequence[str]) -> int:
    """The ranks that a launcher starts on all nodes."""
    given = [name for name in ("--ranks", "--nodes") if name in launcher]
    return math.prod(int(launcher[launcher.index(name) + 1]) for name in given)


def meet(here: Trial, launcher: Sequence[str], model: TriedModel, precision: str, within: float) -> None:
    """The ranks and what they see, within so many seconds. Raises InputError if some do not come, or if bf16 is asked
    for and they have none."""
    arrived, output = here.folder / "arrived", here.folder / "ranks.json"
    arrived.mkdir()
    options = ["--model", model.base, "--arrived", arrived, "--output", output, *model.device_options]
    with here.step("ranks"):
        try:
            here.run([*launcher, PROGRAMS / "preflight_ranks.py", *options], "ranks.log", within=within)
        except Unexplained as fault:
            absent = who_is_missing(arrived, ranks_of(launcher))
            raise InputError(f"{absent}; {fault}" if absent else str(fault)) from None
        found = read_json(output)
        if precision == "bf16" and not found["bf16"]:
            raise InputError(
                f"{found['device']} has no bf16; set precision: fp32 (config: train, respond), or use other GPUs"
            )
    here.measured |= found


def who_is_missing(arrived: Path, ranks: int) -> str:
    """What is known of ranks that did not start, or did not meet; empty for a single one."""
    if ranks == 1:
        return ""
    came = {int(path.name): path.read_text(encoding="utf-8") for path in arrived.iterdir() if path.name.isdecimal()}
    remedy = "see that nodes reach each other by the interface that NCCL_SOCKET_IFNAME names (environment in site.yaml)"
    if not came:
        return f"none of {ranks} ranks started, so their nodes have not met: {remedy}"
    missing = [rank for rank in range(ranks) if rank not in came]
    nodes = ", ".join(sorted(set(came.values())))
    if missing:
        return f"{len(came)} of {ranks} ranks started (on {nodes}), without rank {missing[0]}: {remedy}"
    return f"all {ranks} ranks started (on {nodes}), but did not end well together: {remedy}"


# ---- answers


def answer(here: Trial, model: TriedModel, tuned: Path, template: Path, settings: dict[str, Any]) -> None:
    """Two batches of answers by a tuned model, with the `settings` of respond.py: the time of the second is their pace.

    An adapter is merged, if a server answers, as in the run.
    """
    method, batch = model.method, max(LEAST, settings["batch"])
    prompts, journal, output = (here.folder / name for name in ("prompts.jsonl", "journal.jsonl", "answers.jsonl"))
    questions = (f"{QUESTIONS[number % len(QUESTIONS)]} ({number + 1})" for number in range(2 * batch))
    write_jsonl(prompts, ({"id": str(number), "prompt": question} for number, question in enumerate(questions)))
    with here.step("answers"):
        if method == "lora" and settings.get("serve"):
            merged = here.folder / "merged"
            options = ["--base", model.base, "--adapter", tuned, "--precision", settings["precision"]]
            here.run([PROGRAMS / "merge_adapter.py", *options, "--output", merged], "merge.log")
            tuned, method = merged, "full"
        options = ["--method", method, "--base", model.base, "--model", tuned, "--tokenizer", model.tokenizer]
        options += ["--template", template, "--prompts", f"en={prompts}", "--settings", json.dumps(settings)]
        options += [*model.device_options, "--journal", journal, "--output", output]
        began = time.time()
        command = [PROGRAMS / "respond.py", *options, "--metadata", here.folder / "answers.json"]
        with here.started(command, "answers.log") as process:
            first = time_of_first(here, journal, process)
            here.wait(process, "answers.log")
        rows = read_jsonl(output, {"response": str})
        before = 1 if settings.get("serve") else settings["batch"]  # answered by then: a server's come one by one
        rate = (len(rows) - before) / max(journal.stat().st_mtime - first, 1e-3)
        here.measured.setdefault("start_up", round(max(first - began - before / rate, 0.0), 1))
        here.measured["answers_per_second"] = round(rate, 3)
        here.measured["answer"] = next((row["response"] for row in rows if row["response"]), "")[:200]


def time_of_first(here: Trial, journal: Path, process: subprocess.Popen) -> float:
    """When the first answers were written."""
    while process.poll() is None:
        here.left()
        if journal.exists() and journal.stat().st_size:
            return journal.stat().st_mtime
        time.sleep(0.02)
    return journal.stat().st_mtime if journal.exists() else time.time()
