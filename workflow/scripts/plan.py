"""Report what a run will take, before it runs, in PREFIX.md and PREFIX.json, and print the former.

  plan.py                                                  the paper
  plan.py --configfile config/demo.yaml -- figure3         any target of any configuration, as for snakemake

The jobs, done and left, are those of Snakemake's DAG. Rows, tokens, speeds, and the tokens of a judge's calls come from
existing files (counted, measured) where there are any; the rest is assumed, by `plan` in the configuration, and the
report says which is which. No job is started and no lock taken, so this can be used while a run is in progress.

Then each judge at an API that a job calls is asked for one rating, as at the start of a run (check_judge.py); one that
does not answer, or is shut down before the planned end, is an error after the report.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from basics.command_line import command_line
from judging.ledger import spent_so_far
from judging.shutdowns import day_in
from judging.spending import cost
from planning import estimates
from planning.asking import (
    add_profile_option,
    add_target_options,
    stage_rows,
    totals_by_stage,
    workflow_of,
    write_report,
)
from planning.forecast import ASSUMED, MEASURED, TRIED, Forecast, Number, source_summary
from planning.jobs import Job, Workflow, calls_left
from planning.limits import time_advice
from planning.power import Told, smallest_effects
from planning.profile import Profile, read_profile
from planning.start import check_judges_or_exit
from planning.walltime import Schedule, schedule
from reporting.costs import short_number, sort_by_model
from reporting.markdown import ABSENT, markdown_table
from study.judges import SIDE_BY_SIDE

HOUR, GB, GIB = 3600, 1e9, 2**30
READING = """\
FLOPs are 6 per parameter and token: an upper bound for LoRA, which needs about 4. *Tokens*, of all epochs, are \
counted for tokenized recipes and measured for trained models. *Hours*, without start-up, are measured for trained \
models; their speed is used for other trainings of the same method and model, or of a model of similar size, and \
until there is one, that of the preflight. *Longest* \
and *devices* refer to a single job, and *attempts* to the longest, each limited to *walltime*. *Device GiB* covers \
only weights and optimizer until there is a measurement: activations use what is left, depending on the micro-batch. \
*Host GB* is the memory that the first attempt requests per node."""
POWER_READING = """\
The effect that would be told from chance in 80 % of studies, in simulations with `plan.scores`: of a figure, the \
difference between two series at a point; of a claim, the effect that it expects; of a claim about a count of cases, \
the lead in each. *Trainings* is the fewest of a cell: with one, an effect is one of these trained models, and another \
seed may change it. A dash: the claim says that there is no difference, or the study lacks what it compares."""


def run_columns(job: Job) -> dict:
    """The tuned model of a job: method, model and recipe."""
    return dict(zip(("method", "model", "recipe"), job.run, strict=True))


def training_rows(forecast: Forecast, retries: int) -> list[dict]:
    """One row per training: its tokens, hours, memory and attempts."""
    return [
        run_columns(job) | training_row(forecast, job) | {"attempts_allowed": retries + 1} for job in forecast.trainings
    ]


def training_row(forecast: Forecast, job: Job) -> dict:
    """What one training takes. Device memory is per device, host memory per node."""
    tokens, seconds, devices = forecast.tokens(job), forecast.device_seconds(job), forecast.devices(job)
    memory, runtime = device_memory(forecast, job), job.resources.get("runtime")
    start_up, alone = forecast.start_up(job), seconds.value / devices
    return {
        "left": job.left,
        "devices": devices,
        "tokens": tokens.value,
        "tokens_source": tokens.source,
        "flops": estimates.full_training_flops(forecast.parameters(job), tokens.value),
        "device_hours": seconds.value / HOUR,
        "hours": alone / HOUR,
        "needed_hours": (start_up + alone) / HOUR,
        "hours_source": seconds.source,
        "walltime_hours": None if runtime is None else runtime / 60,
        "attempts": estimates.attempts(alone, start_up, runtime),
        "host_memory_gb": job.resources.get("mem_mb", 0) / 1000,
        "device_memory_gib": memory.value / GIB,
        "device_memory_source": memory.source,
    }


def device_memory(forecast: Forecast, job: Job) -> Number:
    """Bytes of device memory that a training uses: its peak if it is done or was tried, else without activations."""
    if record := forecast.records.get(job):
        return Number(record["peak_memory"], MEASURED)
    if tried := forecast.tried(job, itself=True):
        return Number(tried["peak_memory"], TRIED)
    parameters, settings, devices = forecast.parameters(job), forecast.settings(job), forecast.devices(job)
    return Number(estimates.weights_in_training(parameters, settings, devices), ASSUMED)


def answering_rows(forecast: Forecast) -> list[dict]:
    """One row per tuned model: its answers."""
    return [run_columns(job) | answering_row(forecast, job) for job in forecast.answerings]


def answering_row(forecast: Forecast, job: Job) -> dict:
    """What the answers of one tuned model take."""
    seconds, devices = forecast.answering_seconds(job), max(1, job.resources.get("gpu", 0))
    return {
        "left": job.left,
        "answers": int(forecast.answers(job).value),
        "device_hours": seconds.value * devices / HOUR,
        "hours_source": seconds.source,
    }


def judge_rows(forecast: Forecast) -> list[dict]:
    """One row per judge that has something to rate."""
    by_judge: dict[str, list[Job]] = {}
    for job in forecast.judgings:
        by_judge.setdefault(job.wildcards["judge"], []).append(job)
    asked = [judge for judge in forecast.config["judges"] if judge["name"] in by_judge]
    return [judge_row(judge, by_judge[judge["name"]], forecast) for judge in asked]


def judge_row(judge: Mapping, jobs: Sequence[Job], forecast: Forecast) -> dict:
    """Calls and tokens of one judge, and US dollars if it has a price; what was spent is in its journals and ledger."""
    done, left = (sum(forecast.calls(job) for job in jobs if job.left == is_left) for is_left in (False, True))
    prompt, completion, source = forecast.usage(judge["name"])
    spent = spent_so_far(Path(f"results/{forecast.config['experiment']}/journals/judge/{judge['name']}"))
    needed = {"prompt_tokens": round(left * prompt), "completion_tokens": round(left * completion)}
    price = judge.get("price")
    return (
        {"judge": judge["name"], "calls": done + left, "calls_done": done, "calls_left": left}
        | {f"{key}_left": value for key, value in needed.items()}
        | {f"{key}_spent": value for key, value in spent.items()}
        | {"tokens_source": source}
        | {"dollars_left": price and cost(needed, price), "dollars_spent": price and cost(spent, price)}
    )


def schedule_of(forecast: Forecast) -> Schedule:
    """The wall time in seconds of all jobs that are left, and the most bytes that checkpoints take meanwhile.

    GPU jobs share the GPUs, and other jobs run beside them; without GPUs all jobs share the cores. As in the profiles,
    a few jobs at a time call judges' endpoints; those of one judge share its rate limits.
    """
    accelerated = forecast.config["compute"]["accelerator"] == "gpu"
    judged = {job: f"limits of {job.wildcards['judge']}" for job in forecast.judgings}

    def takes(job: Job) -> dict[str, int]:
        devices = job.resources.get("gpu", 0) if accelerated else job.threads
        shared = {judged[job]: forecast.share_of_limits(job)} if job in judged else {}
        return {"devices": devices, "judging": job.resources.get("judging", 0)} | shared

    left = {job: forecast.seconds(job) for job in forecast.jobs if job.left}
    limits = {"devices": forecast.assumed["devices"], "judging": SIDE_BY_SIDE} | dict.fromkeys(judged.values(), 100)
    return schedule(left, lambda job: job.needs, takes, limits, forecast.checkpoints)


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; files may disappear while they are counted."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() and not path.is_symlink() else 0)
        except FileNotFoundError:
            continue
    return sum(sizes)


def plan(workflow: Workflow, targets: Sequence[str], profile: Profile) -> dict:
    """The content of the report, as JSON."""
    forecast = Forecast(workflow)
    config, wall = workflow.config, schedule_of(forecast)
    now = folder_size(Path("results") / config["experiment"])
    more = sum(forecast.bytes(job) for job in forecast.jobs if job.left)
    rows = training_rows(forecast, profile.retries)
    trained = sort_by_model(rows, list(config["models"]), config["languages"]["train"])
    longest = max((row for row in trained if row["left"]), key=lambda row: row["hours"], default=None)
    return {
        "experiment": config["experiment"],
        "targets": list(targets) or ["all_figures"],
        "jobs": stage_rows(workflow),
        "submissions": profile.submissions(forecast.jobs),
        "trainings": trained,
        "answerings": answering_rows(forecast),
        "judges": judge_rows(forecast),
        "longest": longest,
        "time_limits": time_advice(trained, config),
        "devices": config["plan"]["devices"],
        "wall_hours": wall.seconds / HOUR,
        "translation_core_hours": forecast.translating_seconds / HOUR,
        "disk": {"now": now, "left": round(more), "total": now + round(more), "checkpoints": round(wall.peak)},
        "files_left": sum(forecast.files(job) for job in forecast.jobs if job.left),
        "seed_rows": forecast.seed_rows._asdict(),
        "power": smallest_effects(workflow),
        "assumed": config["plan"],
    }


# ---- the report


def format_hours(number: float) -> str:
    """Hours, or minutes or seconds if it is less than one."""
    if number >= 1 or number == 0:
        return f"{short_number(number)} h"
    return f"{short_number(60 * number)} min" if number >= 1 / 60 else f"{short_number(HOUR * number)} s"


def format_bytes(number: float) -> str:
    return f"{short_number(number / GB)} GB" if number >= GB / 10 else f"{short_number(number / 1e6)} MB"


def format_attempts(rows: Sequence[Mapping]) -> str:
    """The most attempts of any training, and the number that the profile allows if it is lower."""
    needed = [row["attempts"] for row in rows if row["left"]]
    if not needed:
        return ABSENT
    if None in needed:
        return "never finishes"
    allowed = rows[0]["attempts_allowed"]
    return f"{max(needed)}" if max(needed) <= allowed else f"{max(needed)}, {allowed} allowed"


def model_table(result: Mapping) -> list[dict]:
    """Trainings and answers by method and model, for a reader."""
    groups: dict[tuple[str, str], list] = {}
    for row in result["trainings"]:
        groups.setdefault((row["method"], row["model"]), []).append(row)
    answered = Counter()
    for row in result["answerings"]:
        answered[row["method"], row["model"]] += row["device_hours"]
    return [
        {"method": method, "model": model} | model_cells(rows, answered[method, model])
        for (method, model), rows in groups.items()
    ]


def model_cells(rows: Sequence[Mapping], answering_hours: float) -> dict:
    """The cells of a method and model; `READING` explains the columns."""
    longest = max(rows, key=lambda row: row["hours"])
    hours_numbers = [Number(row["device_hours"], row["hours_source"]) for row in rows]
    memory = {row["device_memory_source"] for row in rows}
    token_numbers = [Number(row["tokens"], row["tokens_source"]) for row in rows]
    return {
        "done": f"{sum(not row['left'] for row in rows)} of {len(rows)}",
        "tokens": short_number(sum(row["tokens"] for row in rows)),
        "tokens are": source_summary(token_numbers),
        "device-hours": short_number(sum(row["device_hours"] for row in rows)),
        "left": short_number(sum(row["device_hours"] for row in rows if row["left"])),
        "hours are": source_summary(hours_numbers),
        "answering": short_number(answering_hours),
        "devices": longest["devices"],
        "longest": format_hours(longest["hours"]),
        "walltime": ABSENT if longest["walltime_hours"] is None else format_hours(longest["walltime_hours"]),
        "attempts": format_attempts(rows),
        "host GB": short_number(max(row["host_memory_gb"] for row in rows)),
        "device GiB": short_number(max(row["device_memory_gib"] for row in rows)),
        "GiB are": next((kind for kind in (MEASURED, TRIED) if kind in memory), "weights"),
    }


def judge_table(rows: Sequence[Mapping]) -> list[dict]:
    """Calls, tokens and money by judge, for a reader."""

    def money(number: float | None) -> str:
        return "no price" if number is None else f"${number:,.2f}"

    return [
        {
            "judge": row["judge"],
            "calls": f"{row['calls']:,}",
            "done": f"{row['calls_done']:,}",
            "left": f"{row['calls_left']:,}",
            "tokens left": short_number(row["prompt_tokens_left"] + row["completion_tokens_left"]),
            "tokens are": row["tokens_source"],
            "money left": money(row["dollars_left"]),
            "spent": money(row["dollars_spent"]),
        }
        for row in rows
    ]


def longest_sentence(row: Mapping | None) -> str:
    """The longest training that is left, compared with the time limit in its row of `compute`."""
    if row is None:
        return "No training is left."
    name = f"{row['method']}/{row['model']}/{row['recipe']}"
    devices = f"{row['devices']} device{'s' * (row['devices'] > 1)}"
    device_hours = short_number(row["device_hours"])
    text = f"Longest job: {name}, {device_hours} device-hours, {format_hours(row['hours'])} on {devices}"
    limit = row["walltime_hours"]
    if limit is None:
        return f"{text}."
    text += f"; its row of `compute` has a runtime of {format_hours(limit)}"
    if row["attempts"] is None:
        return f"{text}, which leaves no time to train: raise it."
    if row["attempts"] == 1:
        return f"{text}, which is enough."
    text += f", so it will resume from checkpoints and take {row['attempts']} attempts"
    if row["attempts"] <= row["attempts_allowed"]:
        return f"{text} of the {row['attempts_allowed']} that the profile allows."
    return f"{text}, but the profile allows only {row['attempts_allowed']}: raise `runtime`, `ranks`, or its `retries`."


def summary_lines(result: Mapping) -> list[str]:
    """The main figures, one per line."""
    trained, assumed, disk = result["trainings"], result["assumed"], result["disk"]
    jobs = totals_by_stage(result["jobs"])[-1]
    total, left = (sum(row["device_hours"] for row in trained if row["left"] or whole) for whole in (True, False))
    answers = sum(row["device_hours"] for row in result["answerings"] if row["left"])
    submitted = "" if result["submissions"] is None else f", in {result['submissions']:,} submissions if none fails"
    lines = [
        f"Jobs: {jobs['jobs']:,}, of which {jobs['done']:,} are done and {jobs['left']:,} left{submitted}.",
        f"Trainings: {len(trained)}, {short_number(total)} device-hours in all, of which {short_number(left)} are left"
        f" (unless measured, for {assumed['device']} at {assumed['mfu']:.0%} of its peak); the answers that are left"
        f" take {short_number(answers)} more.",
        f"Wall time of what is left, with {result['devices']} devices: {format_hours(result['wall_hours'])}, without"
        " waiting in a queue.",
        longest_sentence(result["longest"]),
        f"Disk: {format_bytes(disk['now'])} now, {format_bytes(disk['left'])} to come, {format_bytes(disk['total'])} in"
        f" all; while trainings run, up to {format_bytes(disk['checkpoints'])} more for checkpoints. Files to come:"
        f" {short_number(result['files_left'])}, with logs and Snakemake's records.",
    ]
    if result["translation_core_hours"]:
        lines.insert(2, f"Translation: {short_number(result['translation_core_hours'])} core-hours are left.")
    for row in result["judges"]:
        dollars = "" if row["dollars_left"] is None else f", about ${row['dollars_left']:,.2f}"
        lines.append(f"Judge {row['judge']}: {row['calls']:,} calls, of which {row['calls_left']:,} are left{dollars}.")
    return lines


def power_section(power: Mapping[str, Sequence[Told]]) -> list[str]:
    """The smallest effects that the figures and claims could tell; nothing where neither is made."""
    rows = [
        {
            "what": told.name,
            "smallest effect": ABSENT if told.effect is None else f"{told.effect:+.0f}".replace("-", "−"),
            "unit": told.unit,
            "trainings": told.trainings or ABSENT,
        }
        for kind in power.values()
        for told in kind
    ]
    if not rows:
        return []
    return ["## What it could tell", markdown_table(rows, ("smallest effect", "trainings")), POWER_READING]


def plan_page(result: Mapping) -> str:
    """The report, in Markdown."""
    parts = [f"# What {', '.join(result['targets'])} of {result['experiment']} will take"]
    parts.append("\n".join(f"- {line}" for line in summary_lines(result)))
    parts += [
        "## Jobs",
        "From Snakemake's own DAG.",
        markdown_table(totals_by_stage(result["jobs"]), ("jobs", "done", "left")),
    ]
    if result["trainings"]:
        numbers = ["done", "tokens", "device-hours", "left", "answering", "devices", "longest", "walltime", "attempts"]
        parts += [
            "## Trainings",
            markdown_table(model_table(result), [*numbers, "host GB", "device GiB"]),
            READING,
        ]
    if result["time_limits"]:
        parts += ["## Time limits", "\n".join(f"- {line}." for line in result["time_limits"])]
    if result["judges"]:
        parts += [
            "## Judges",
            markdown_table(
                judge_table(result["judges"]), ("calls", "done", "left", "tokens left", "money left", "spent")
            ),
        ]
        parts.append("One call per rating; retries of replies without a rating are extra.")
    parts += power_section(result["power"])
    rows = result["seed_rows"]
    given = [
        {"key": f"plan.{key}", "value": yaml.safe_dump(value, default_flow_style=True).split("\n")[0]}
        for key, value in result["assumed"].items()
    ]
    parts += ["## Assumed", f"Rows of the seed data: {rows['value']:,}, {rows['source']}.", markdown_table(given)]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_target_options(parser)
    add_profile_option(parser, "its retries and groups apply")
    parser.add_argument("--offline", action="store_true", help="ask no judge; so does check_judges: offline")
    options = parser.parse_args(arguments)

    profile = read_profile(options.profile)
    workflow = workflow_of(options)
    result = plan(workflow, options.targets, profile)
    write_report(result, plan_page(result), options.output_prefix or f"results/{workflow.config['experiment']}/plan")
    ask = workflow.config["check_judges"] == "ask" and not options.offline
    check_judges_or_exit(calls_left(workflow), day_in(result["wall_hours"]), ask)


if __name__ == "__main__":
    command_line(main)
