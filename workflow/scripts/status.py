"""How far a run has come, and what it has cost so far: PREFIX.md and PREFIX.json, and on the screen.

  status.py                                                  the paper
  status.py --configfile config/demo.yaml -- figure3         any target of any configuration, as for snakemake

A cell of the matrix is a tuned model: done, or the stage that keeps it from being so and how that stands. *running* and
*queued* are what a process of this machine does, and what Slurm says of its submissions; *failed*: there is a log and
no output; *interrupted*: Snakemake has noted the job's start and not its end, and nothing works on it, as after a
kill -9 or a machine that died; *outdated*: an output is there, and what it is made from has changed since; *missing*:
not begun. Nothing is started or locked, so it may be asked for while a run is under way.
"""

import argparse
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, auto
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_jsonl
from judging.spending import NO_USAGE, USAGE_KINDS, cost, past_usage
from planning.asking import ask_for_targets, asked_workflow, by_stage, stages, tell
from planning.jobs import Job, Workflow
from reporting.costs import read_spent, short_number
from reporting.markdown import ABSENT, markdown_table
from reporting.order import in_order, method_place, recipe_order


class State(StrEnum):
    """How a job, or a tuned model, stands."""

    DONE = auto()
    RUNNING = auto()
    QUEUED = auto()
    FAILED = auto()
    INTERRUPTED = auto()
    OUTDATED = auto()
    MISSING = auto()


# What a tuned model's cell tells of its jobs, before what is merely next.
TELLING = (State.RUNNING, State.QUEUED, State.FAILED, State.INTERRUPTED)
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "PREEMPTED"}  # squeue(1), job states
TAIL = 64 * 1024  # bytes of a log in which its last word is looked for


# ---- what is under way


def words_here() -> set[str]:
    """The words of all command lines of processes that work in this folder: paths of outputs and logs among them."""
    import psutil

    words: set[str] = set()
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(Path.cwd()):
                words.update(word for argument in process.cmdline() for word in argument.split())
        except psutil.Error:  # gone, or another user's
            continue
    return words


def submissions(wanted: Iterable[str]) -> dict[str, str]:
    """Slurm's word for each submission that waits or runs. Raises InputError when Slurm does not answer."""
    if not set(wanted) or not shutil.which("squeue"):
        return {}
    asked = ["squeue", "--me", "--noheader", "--array", "--format=%i|%T"]
    answer = subprocess.run(asked, capture_output=True, text=True)
    if answer.returncode:
        raise InputError(f"squeue: {' '.join(answer.stderr.split())}; ask again when Slurm answers")
    return dict(line.strip().split("|") for line in answer.stdout.splitlines() if "|" in line)


def is_worked_on(job: Job, words: set[str]) -> bool:
    """Whether a process of this machine has the job's output or log in its command line."""
    files = [*job.outputs, *job.logs]
    return any(name in words for file in files for name in (file, file.removesuffix(Path(file).suffix)))


def state_of(job: Job, words: set[str], queue: Mapping[str, str]) -> State:
    """How a job stands."""
    if not job.left:
        return State.DONE
    if job.begun:
        said = {queue[submission] for submission in job.submitted if submission in queue}
        if said:
            return State.QUEUED if said <= WAITING else State.RUNNING
        return State.RUNNING if is_worked_on(job, words) else State.INTERRUPTED
    if job.outputs and all(Path(output).exists() for output in job.outputs):
        return State.OUTDATED
    return State.FAILED if has_failed(job) else State.MISSING


def has_failed(job: Job) -> bool:
    """Of a job without output: whether it was run, and did not end well. What Snakemake keeps of a job is the same for
    one that failed and one whose output was removed since; but a benchmark is written when it has ended well."""
    logs = [path.stat().st_mtime for path in map(Path, job.logs) if path.exists()]
    benchmark = Path(job.benchmark) if job.benchmark else None
    return bool(logs) and not (benchmark and benchmark.exists() and benchmark.stat().st_mtime >= max(logs))


def last_word(log: Path) -> str:
    """The error in the one line that our programs end with, or else the last line."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL))
            lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except FileNotFoundError:
        return "no log"
    return next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1] if lines else "empty log")


# ---- how far


def cell(jobs: Sequence[Job], states: Mapping[Job, State], order: Sequence[str]) -> dict:
    """A tuned model: its state, the stage that this is about, and the last stage of those that are done one by one."""
    by_stage: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: order.index(job.stage)):
        by_stage.setdefault(job.stage, []).append(job)
    furthest = None
    for stage, members in by_stage.items():
        if any(states[job] != State.DONE for job in members):
            break
        furthest = stage
    left = [(states[job], stage) for stage, members in by_stage.items() for job in members if states[job] != State.DONE]
    left.sort(key=lambda found: TELLING.index(found[0]) if found[0] in TELLING else len(TELLING))
    state, stage = left[0] if left else (State.DONE, None)
    return {"state": state, "stage": stage, "furthest": furthest}


def matrix(workflow: Workflow, states: Mapping[Job, State]) -> list[dict]:
    """One row a tuned model, in the order of the figures' readers."""
    runs: dict[tuple[str, ...], list[Job]] = {}
    for job in workflow.jobs:
        if job.run:
            runs.setdefault(job.run, []).append(job)
    models = list(workflow.config.get("models", {}))
    place = recipe_order(workflow.config["languages"]["train"])
    order = in_order([model for _, model, _ in runs], models)
    return [
        dict(zip(("method", "model", "recipe"), run, strict=True)) | cell(jobs, states, workflow.stages)
        for run, jobs in sorted(
            runs.items(),
            key=lambda item: (method_place(item[0][0]), order.index(item[0][1]), place(item[0][2]), item[0]),
        )
    ]


# ---- what it has cost


def trainings_cost(jobs: Iterable[Job]) -> list[dict]:
    """By method and device: models trained here, device-hours and tokens of their training.json."""
    spent: dict[tuple[str, str], Counter] = {}
    for job in jobs:
        path = Path(job.output) / "training.json"
        if job.run and job.stage == "train" and path.exists():
            record = read_spent(path)
            hours = record["seconds"] * record["ranks"] / 3600
            spent.setdefault((job.run[0], record["device"]), Counter()).update(
                {"models": 1, "device_hours": hours, "tokens": record["tokens"]}
            )
    return [{"method": method, "device": device} | dict(sums) for (method, device), sums in spent.items()]


def judges_cost(jobs: Iterable[Job], config: Mapping) -> list[dict]:
    """By judge: ratings that are there; what all replies in its journals used or, where a run has none, its ratings."""
    rows = []
    for judge in config["judges"]:
        ratings, used = 0, Counter(NO_USAGE)
        for job in jobs:
            if job.wildcards.get("judge") != judge["name"] or "journals" not in job.params:
                continue
            rated = read_jsonl(job.output, {"usage": USAGE_KINDS}) if Path(job.output).exists() else []
            ratings += len(rated)
            journal = Path(f"{job.params['journals']}/{'/'.join(job.run)}.jsonl")
            if journal.exists():
                used.update(past_usage([journal]).usage)
            else:
                for row in rated:
                    used.update(row["usage"])
        usage = {key: used[key] for key in NO_USAGE}
        dollars = cost(usage, judge["price"]) if "price" in judge else None
        rows.append({"judge": judge["name"], "ratings": ratings} | usage | {"dollars": dollars})
    return rows


def status(workflow: Workflow, targets: Sequence[str]) -> dict:
    """Everything that the report says, as JSON."""
    words = words_here()
    queue = submissions(submission for job in workflow.jobs for submission in job.submitted)
    states = {job: state_of(job, words, queue) for job in workflow.jobs}
    runs = any(word.endswith("/snakemake") or word in ("snakemake", "snakemake.cli") for word in words)
    troubled = [job for job in workflow.jobs if states[job] in (State.FAILED, State.INTERRUPTED)]
    return {
        "experiment": workflow.config["experiment"],
        "targets": list(targets) or ["all_figures"],
        "snakemake_runs_here": runs,
        "locked": workflow.locked,
        "states": {state: count for state in State if (count := sum(value == state for value in states.values()))},
        "jobs": stages(workflow),
        "models": matrix(workflow, states),
        "trouble": [
            {"state": states[job], "rule": job.rule, "output": job.output}
            | {"log": job.logs[0] if job.logs else None}
            | {"says": last_word(Path(job.logs[0])) if job.logs else "no log"}
            for job in troubled
        ],
        "trainings": trainings_cost(workflow.jobs),
        "judges": judges_cost(workflow.jobs, workflow.config),
    }


# ---- for a reader


def written(row: Mapping) -> str:
    """A cell; of a model of which there is nothing, that alone."""
    nothing = row["state"] == State.MISSING and row["furthest"] is None
    return row["state"] if nothing or row["state"] == State.DONE else f"{row['state']} {row['stage']}"


def matrix_table(rows: Sequence[Mapping]) -> list[dict]:
    """Method and model down, recipes across."""
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    lines: dict[tuple[str, str], dict] = {}
    for row in rows:
        lines.setdefault((row["method"], row["model"]), dict.fromkeys(recipes, ABSENT))[row["recipe"]] = written(row)
    return [{"method": method, "model": model} | cells for (method, model), cells in lines.items()]


def markdown(result: Mapping) -> str:
    """The report."""
    parts = [f"# How far {', '.join(result['targets'])} of {result['experiment']} is"]
    counted = ", ".join(f"{count:,} {state}" for state, count in result["states"].items())
    if result["snakemake_runs_here"]:
        under_way = "Snakemake runs in this folder, on this machine."
    elif result["locked"]:
        under_way = (
            "Snakemake's lock is on this folder and none runs on this machine: it runs on another, or was killed; then"
            " `snakemake --unlock`, and the same command again."
        )
    else:
        under_way = "No Snakemake runs in this folder."
    parts += [f"Jobs: {counted}. {under_way}"]
    if result["models"]:
        parts.append(markdown_table(matrix_table(result["models"])))
        parts.append(
            "A cell names the stage that keeps a model from being done, and how that stands; stages before it are done."
        )
    if result["trouble"]:
        parts += ["## Failed and interrupted", "\n".join(map(trouble_line, result["trouble"]))]
    parts += ["## Jobs by stage", markdown_table(by_stage(result["jobs"]), ("jobs", "done", "left"))]
    parts += ["## Spent so far", "\n".join(f"- {line}" for line in cost_lines(result))]
    return "\n\n".join(parts) + "\n"


def trouble_line(row: Mapping) -> str:
    return f"- {row['state']}: {row['output']}; log: {row['log'] or 'none'}: {row['says']}"


def cost_lines(result: Mapping) -> list[str]:
    lines = [
        f"Trainings, {row['method']}: {row['models']:,} models, {short_number(row['device_hours'])} device-hours on"
        f" {row['device']}, {short_number(row['tokens'])} tokens."
        for row in result["trainings"]
    ]
    for row in result["judges"]:
        money = "of no known price" if row["dollars"] is None else f"{row['dollars']:.4f} US dollars"
        tokens = row["prompt_tokens"] + row["completion_tokens"]
        lines.append(f"Judge {row['judge']}: {row['ratings']:,} ratings, {short_number(tokens)} tokens, {money}.")
    return lines or ["Nothing."]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask_for_targets(parser)
    options = parser.parse_args(arguments)

    workflow = asked_workflow(options)
    result = status(workflow, options.targets)
    tell(result, markdown(result), options.output_prefix or f"results/{workflow.config['experiment']}/status")


if __name__ == "__main__":
    command_line(main)
