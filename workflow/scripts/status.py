"""Report how far a run has come and what it has cost, in PREFIX.md and PREFIX.json, and print the former.

  status.py                                                  the paper
  status.py --configfile config/demo.yaml -- figure3         any target of any configuration, as for snakemake

A cell of the matrix is a tuned model: done, or the state of the first job that needs attention, with its stage.
*running* and *queued*: a process on this machine, or a job of this folder in Slurm's queue, works or waits; *failed*:
there is a log but no output; *interrupted*: Snakemake has recorded the start of the job but not its end, and nothing
works on it, as after kill -9 or a crash of the machine; *outdated*: the output exists, but what it is made from has
changed since; *missing*: not begun. Nothing is started or locked, so this can be used while a run is in progress.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, auto
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_jsonl
from judging.spending import NO_USAGE, USAGE_KINDS, cost, past_usage
from judging.trial import JOURNAL
from planning.asking import (
    add_profile_option,
    add_target_options,
    stage_rows,
    totals_by_stage,
    workflow_of,
    write_report,
)
from planning.jobs import Job, Workflow
from planning.logs import log_error
from planning.profile import Profile, read_profile
from planning.slurm_queue import Submitted, comment_of, queue_of
from reporting.costs import read_spent, short_number
from reporting.markdown import ABSENT, markdown_table
from reporting.order import in_order, method_place, recipe_order
from study.short_forms import asked


class State(StrEnum):
    """The state of a job or a tuned model."""

    DONE = auto()
    RUNNING = auto()
    QUEUED = auto()
    FAILED = auto()
    INTERRUPTED = auto()
    OUTDATED = auto()
    MISSING = auto()


# The states that a tuned model's cell shows in preference to that of its next job, in order.
NOTABLE = (State.RUNNING, State.QUEUED, State.FAILED, State.INTERRUPTED)
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "PREEMPTED"}  # squeue(1), job states


# ---- what is in progress


def command_line_words() -> set[str]:
    """The words of the command lines of all processes in this folder, which include paths of outputs and logs."""
    import psutil

    words: set[str] = set()
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(Path.cwd()):
                words.update(word for argument in process.cmdline() for word in argument.split())
        except psutil.Error:  # gone, or another user's
            continue
    return words


def queue_if_needed(jobs: Iterable[Job]) -> tuple[list[Submitted], str | None]:
    """The queue, if a job has begun; and why Slurm does not say, where no job is known to have been submitted.

    Raises InputError when Slurm does not answer and has submissions.
    """
    begun = [job for job in jobs if job.begun]
    try:
        return queue_of(Path.cwd()) if begun else [], None
    except InputError as error:
        if any(job.submitted for job in begun):
            raise
        return [], str(error)


def is_worked_on(job: Job, words: set[str]) -> bool:
    """Whether a process on this machine has the job's output or log in its command line."""
    files = [*job.outputs, *job.logs]
    return any(name in words for file in files for name in (file, file.removesuffix(Path(file).suffix)))


def queue_states(job: Job, queue: Iterable[Submitted], group: str | None) -> set[str]:
    """Slurm's states of the submissions that a job is in.

    Snakemake notes their ids in its mark of a job, where the Snakemake of the submission removes them once it runs the
    job (9.27); then Slurm's comment tells, which is the same for all submissions of parts of a group.
    """
    if noted := {entry.state for entry in queue if entry.id in job.submitted}:
        return noted
    comment = comment_of(group, {}) if group else comment_of(job.rule, job.wildcards)
    return {entry.state for entry in queue if entry.comment == comment}


def state_of(job: Job, words: set[str], queue: Iterable[Submitted], group: str | None) -> State:
    """The state of a job, which may be in a group of submissions."""
    if not job.left:
        return State.DONE
    if job.begun:
        if found := queue_states(job, queue, group):
            return State.QUEUED if found <= WAITING else State.RUNNING
        return State.RUNNING if is_worked_on(job, words) else State.INTERRUPTED
    if job.outputs and all(Path(output).exists() for output in job.outputs):
        return State.OUTDATED
    return State.FAILED if has_failed(job) else State.MISSING


def has_failed(job: Job) -> bool:
    """Whether a job without output has been run and has failed. Snakemake's records are the same for a job that failed
    and one whose output was removed since; but a benchmark is written only when a job succeeds."""
    logs = [path.stat().st_mtime for path in map(Path, job.logs) if path.exists()]
    benchmark = Path(job.benchmark) if job.benchmark else None
    return bool(logs) and not (benchmark and benchmark.exists() and benchmark.stat().st_mtime >= max(logs))


# ---- progress


def model_state(jobs: Sequence[Job], states: Mapping[Job, State], order: Sequence[str]) -> dict:
    """The state of a tuned model, the stage that it refers to, and the last stage up to which everything is done."""
    stages: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: order.index(job.stage)):
        stages.setdefault(job.stage, []).append(job)
    furthest = None
    for stage, members in stages.items():
        if any(states[job] != State.DONE for job in members):
            break
        furthest = stage
    left = [(states[job], stage) for stage, members in stages.items() for job in members if states[job] != State.DONE]
    left.sort(key=lambda found: NOTABLE.index(found[0]) if found[0] in NOTABLE else len(NOTABLE))
    state, stage = left[0] if left else (State.DONE, None)
    return {"state": state, "stage": stage, "furthest": furthest}


def model_rows(workflow: Workflow, states: Mapping[Job, State]) -> list[dict]:
    """One row per tuned model, in reading order."""
    runs: dict[tuple[str, ...], list[Job]] = {}
    for job in workflow.jobs:
        if job.run:
            runs.setdefault(job.run, []).append(job)
    models = list(workflow.config.get("models", {}))
    place = recipe_order(workflow.config["languages"]["train"])
    order = in_order([model for _, model, _ in runs], models)
    return [
        dict(zip(("method", "model", "recipe"), run, strict=True)) | model_state(jobs, states, workflow.stages)
        for run, jobs in sorted(
            runs.items(),
            key=lambda item: (method_place(item[0][0]), order.index(item[0][1]), place(item[0][2]), item[0]),
        )
    ]


# ---- cost


def training_costs(jobs: Iterable[Job]) -> list[dict]:
    """By method and device: models trained here, and the device-hours and tokens in their training.json."""
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


def judge_costs(jobs: Iterable[Job], config: Mapping) -> list[dict]:
    """By judge: existing ratings, and the usage of all replies in its journals or, for runs without, of ratings."""
    rows = []
    for judge in asked(config):
        ratings, used, trials = 0, Counter(NO_USAGE), set()
        for job in jobs:
            if job.wildcards.get("judge") != judge["name"] or "journals" not in job.params:
                continue
            trials.add(Path(job.params["journals"]) / JOURNAL)
            rated = read_jsonl(job.output, {"usage": USAGE_KINDS}) if Path(job.output).exists() else []
            ratings += len(rated)
            journal = Path(f"{job.params['journals']}/{job.params['run']}.jsonl")
            if journal.exists():
                used.update(past_usage([journal]))
            else:
                for row in rated:
                    used.update(row["usage"])
        used.update(past_usage(trial for trial in trials if trial.exists()))
        usage = {key: used[key] for key in NO_USAGE}
        dollars = cost(usage, judge["price"]) if "price" in judge else None
        rows.append({"judge": judge["name"], "ratings": ratings} | usage | {"dollars": dollars})
    return rows


def status(workflow: Workflow, targets: Sequence[str], profile: Profile) -> dict:
    """The content of the report, as JSON."""
    words = command_line_words()
    queue, silence = queue_if_needed(workflow.jobs)
    states = {job: state_of(job, words, queue, profile.group(job)) for job in workflow.jobs}
    runs = any(word.endswith("/snakemake") or word in ("snakemake", "snakemake.cli") for word in words)
    troubled = [job for job in workflow.jobs if states[job] in (State.FAILED, State.INTERRUPTED)]
    return {
        "experiment": workflow.config["experiment"],
        "targets": list(targets) or ["all_figures"],
        "snakemake_runs_here": runs,
        "slurm_silence": silence,
        "locked": workflow.locked,
        "states": {state: count for state in State if (count := sum(value == state for value in states.values()))},
        "jobs": stage_rows(workflow),
        "models": model_rows(workflow, states),
        "trouble": [
            {"state": states[job], "rule": job.rule, "output": job.output}
            | {"log": job.logs[0] if job.logs else None}
            | {"says": log_error(Path(job.logs[0])) if job.logs else "no log"}
            for job in troubled
        ],
        "trainings": training_costs(workflow.jobs),
        "judges": judge_costs(workflow.jobs, workflow.config),
    }


# ---- the report


def cell_text(row: Mapping) -> str:
    """The state of a model and its stage; only the state if the model is done or nothing of it exists."""
    nothing = row["state"] == State.MISSING and row["furthest"] is None
    return row["state"] if nothing or row["state"] == State.DONE else f"{row['state']} {row['stage']}"


def matrix_table(rows: Sequence[Mapping]) -> list[dict]:
    """Method and model down, recipes across."""
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    lines: dict[tuple[str, str], dict] = {}
    for row in rows:
        lines.setdefault((row["method"], row["model"]), dict.fromkeys(recipes, ABSENT))[row["recipe"]] = cell_text(row)
    return [{"method": method, "model": model} | cells for (method, model), cells in lines.items()]


def status_page(result: Mapping) -> str:
    """The report, in Markdown."""
    parts = [f"# Progress of {', '.join(result['targets'])} in {result['experiment']}"]
    counted = ", ".join(f"{count:,} {state}" for state, count in result["states"].items())
    if result["snakemake_runs_here"]:
        activity = "Snakemake is running in this folder, on this machine."
    elif result["locked"]:
        activity = (
            "Snakemake has locked this folder but is not running on this machine: it is running on another or was"
            " killed; in the latter case run `snakemake --unlock` and repeat the command."
        )
    else:
        activity = "No Snakemake is running in this folder."
    if silence := result["slurm_silence"]:
        activity += f" A job on another node is shown as interrupted: Slurm does not answer ({silence})."
    parts += [f"Jobs: {counted}. {activity}"]
    if result["models"]:
        parts.append(markdown_table(matrix_table(result["models"])))
        parts.append("A cell shows the stage that a model is at, and its state.")
    if result["trouble"]:
        parts += ["## Failed and interrupted", "\n".join(map(trouble_line, result["trouble"]))]
    parts += ["## Jobs by stage", markdown_table(totals_by_stage(result["jobs"]), ("jobs", "done", "left"))]
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
    add_target_options(parser)
    add_profile_option(parser, "its groups share submissions")
    options = parser.parse_args(arguments)

    workflow = workflow_of(options)
    result = status(workflow, options.targets, read_profile(options.profile))
    write_report(
        result, status_page(result), options.output_prefix or f"results/{workflow.config['experiment']}/status"
    )


if __name__ == "__main__":
    command_line(main)
