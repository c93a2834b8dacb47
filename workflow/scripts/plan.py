"""What a run will take, before it runs: PREFIX.md and PREFIX.json, and on the screen.

  plan.py                                                  the paper
  plan.py --configfile config/demo.yaml -- figure3         any target of any configuration, as for snakemake

Jobs are those of Snakemake's own DAG, done and left. Rows, tokens, speeds, and what a judge's calls use are taken from
what there is by now (counted, measured); the rest is assumed as `plan` in the configuration says, and the report tells
which is which. No job is started and no lock taken, so it may be asked for while a run is under way.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from basics.command_line import command_line
from basics.errors import InputError
from basics.paths import REPOSITORY
from judging.spending import cost, journal_files, past_usage
from planning import estimates
from planning.asking import ask_for_targets, asked_workflow, by_stage, stages, tell
from planning.forecast import ASSUMED, MEASURED, Forecast, Number, sources
from planning.jobs import Job, Workflow
from planning.walltime import Together, together
from reporting.costs import short_number, sort_by_model
from reporting.markdown import ABSENT, markdown_table

HOUR, GB, GIB = 3600, 1e9, 2**30
READING = """\
FLOPs are 6 a parameter and token: an upper bound for LoRA, which does with about 4. *Tokens*, of all epochs, are \
counted where recipes are tokenized, and measured where models are trained. *Hours* are measured of what is trained, \
and reckoned by its speed for others of the method and model, or of nearly its size; they are without start-up. \
*Longest* and *devices* are of one job; *attempts*, those of the longest, each up to *walltime*. *Device GiB* are \
weights and optimizer alone until there is a measurement: activations take what is left, by the micro-batch. *Host GB* \
is what the first attempt asks for, a node."""


def retries_of(profile: Path) -> int:
    """How often a profile has a job that failed submitted again. Raises InputError when there is no such profile."""
    path = profile / "config.yaml"
    try:
        return int((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("retries", 0))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name a folder of profiles/ with --profile") from None


def of_run(job: Job) -> dict:
    """The tuned model that a job is about."""
    return dict(zip(("method", "model", "recipe"), job.run, strict=True))


def trainings(forecast: Forecast, retries: int) -> list[dict]:
    """One row a training: what it takes of tokens, hours, memory and attempts."""
    return [of_run(job) | training(forecast, job) | {"attempts_allowed": retries + 1} for job in forecast.trainings]


def training(forecast: Forecast, job: Job) -> dict:
    """What one training takes. Memory is a device's, but for that of the host, which is a node's."""
    tokens, seconds, devices = forecast.tokens(job), forecast.device_seconds(job), forecast.devices(job)
    memory, runtime = device_memory(forecast, job), job.resources.get("runtime")
    return {
        "left": job.left,
        "devices": devices,
        "tokens": tokens.value,
        "tokens_source": tokens.source,
        "flops": estimates.full_training_flops(forecast.parameters(job), tokens.value),
        "device_hours": seconds.value / HOUR,
        "hours": seconds.value / devices / HOUR,
        "hours_source": seconds.source,
        "walltime_hours": None if runtime is None else runtime / 60,
        "attempts": estimates.attempts(seconds.value / devices, forecast.assumed["start_up"], runtime),
        "host_memory_gb": job.resources.get("mem_mb", 0) / 1000,
        "device_memory_gib": memory.value / GIB,
        "device_memory_source": memory.source,
    }


def device_memory(forecast: Forecast, job: Job) -> Number:
    """Bytes that a training takes of a device: its peak if it is done, else without activations."""
    if record := forecast.records.get(job):
        return Number(record["peak_memory"], MEASURED)
    parameters, settings, devices = forecast.parameters(job), forecast.settings(job), forecast.devices(job)
    return Number(estimates.weights_in_training(parameters, settings, devices), ASSUMED)


def answerings(forecast: Forecast) -> list[dict]:
    """One row a tuned model: its answers."""
    return [of_run(job) | answering(forecast, job) for job in forecast.answerings]


def answering(forecast: Forecast, job: Job) -> dict:
    """What the answers of one tuned model take."""
    seconds, devices = forecast.answering_seconds(job), max(1, job.resources.get("gpu", 0))
    return {
        "left": job.left,
        "answers": int(forecast.answers(job).value),
        "device_hours": seconds.value * devices / HOUR,
        "hours_source": seconds.source,
    }


def judges(forecast: Forecast) -> list[dict]:
    """One row a judge that has something to rate."""
    by_judge: dict[str, list[Job]] = {}
    for job in forecast.judgings:
        by_judge.setdefault(job.wildcards["judge"], []).append(job)
    asked = [judge for judge in forecast.config["judges"] if judge["name"] in by_judge]
    return [judging_by(judge, by_judge[judge["name"]], forecast) for judge in asked]


def judging_by(judge: Mapping, jobs: Sequence[Job], forecast: Forecast) -> dict:
    """Calls and tokens of one judge, and US dollars if it has a price; what was spent is that of its journals."""
    done, left = (sum(forecast.calls(job) for job in jobs if job.left == is_left) for is_left in (False, True))
    prompt, completion, source = forecast.usage(judge["name"])
    folder = Path(f"results/{forecast.config['experiment']}/journals/judge/{judge['name']}")
    spent = past_usage(journal_files(folder / "none", folder)).usage
    needed = {"prompt_tokens": round(left * prompt), "completion_tokens": round(left * completion)}
    price = judge.get("price")
    return (
        {"judge": judge["name"], "calls": done + left, "calls_done": done, "calls_left": left}
        | {f"{key}_left": value for key, value in needed.items()}
        | {f"{key}_spent": value for key, value in spent.items()}
        | {"tokens_source": source}
        | {"dollars_left": price and cost(needed, price), "dollars_spent": price and cost(spent, price)}
    )


def wall_time(forecast: Forecast) -> Together:
    """Seconds of all that is left on the devices, and the most bytes that checkpoints take meanwhile.

    Jobs for a GPU share the GPUs and others run beside them; without GPUs all share the cores. Judges' endpoints are
    called by a job at a time, as the profiles have it.
    """
    accelerated = forecast.config["compute"]["accelerator"] == "gpu"

    def takes(job: Job) -> dict[str, int]:
        devices = job.resources.get("gpu", 0) if accelerated else job.threads
        return {"devices": devices, "judging": job.resources.get("judging", 0)}

    left = {job: forecast.seconds(job) for job in forecast.jobs if job.left}
    limits = {"devices": forecast.assumed["devices"], "judging": 1}
    return together(left, lambda job: job.needs, takes, limits, forecast.checkpoints)


def used(folder: Path) -> int:
    """Bytes of all files below a folder; some may go while they are counted."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() and not path.is_symlink() else 0)
        except FileNotFoundError:
            continue
    return sum(sizes)


def plan(workflow: Workflow, targets: Sequence[str], retries: int) -> dict:
    """Everything that the report says, as JSON."""
    forecast = Forecast(workflow)
    config, wall = workflow.config, wall_time(forecast)
    now = used(Path("results") / config["experiment"])
    more = sum(forecast.bytes(job) for job in forecast.jobs if job.left)
    trained = sort_by_model(trainings(forecast, retries), list(config["models"]), config["languages"]["train"])
    longest = max((row for row in trained if row["left"]), key=lambda row: row["hours"], default=None)
    return {
        "experiment": config["experiment"],
        "targets": list(targets) or ["all_figures"],
        "jobs": stages(workflow),
        "trainings": trained,
        "answerings": answerings(forecast),
        "judges": judges(forecast),
        "longest": longest,
        "devices": config["plan"]["devices"],
        "wall_hours": wall.seconds / HOUR,
        "disk": {"now": now, "left": round(more), "total": now + round(more), "checkpoints": round(wall.peak)},
        "seed_rows": forecast.seed_rows._asdict(),
        "assumed": config["plan"],
    }


# ---- for a reader


def hours(number: float) -> str:
    """Hours, or what is easier to read of less than one."""
    if number >= 1 or number == 0:
        return f"{short_number(number)} h"
    return f"{short_number(60 * number)} min" if number >= 1 / 60 else f"{short_number(HOUR * number)} s"


def gigabytes(number: float) -> str:
    return f"{short_number(number / GB)} GB" if number >= GB / 10 else f"{short_number(number / 1e6)} MB"


def attempts_of(rows: Sequence[Mapping]) -> str:
    """The most attempts of any training, and whether the profile allows as many."""
    needed = [row["attempts"] for row in rows if row["left"]]
    if not needed:
        return ABSENT
    if None in needed:
        return "never ends"
    allowed = rows[0]["attempts_allowed"]
    return f"{max(needed)}" if max(needed) <= allowed else f"{max(needed)}, {allowed} allowed"


def by_model(result: Mapping) -> list[dict]:
    """Trainings and answers by method and model."""
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
    """The trainings of a method and model, for a reader; `READING` explains the columns."""
    longest = max(rows, key=lambda row: row["hours"])
    hours_numbers = [Number(row["device_hours"], row["hours_source"]) for row in rows]
    token_numbers = [Number(row["tokens"], row["tokens_source"]) for row in rows]
    return {
        "done": f"{sum(not row['left'] for row in rows)} of {len(rows)}",
        "tokens": short_number(sum(row["tokens"] for row in rows)),
        "tokens are": sources(token_numbers),
        "device-hours": short_number(sum(row["device_hours"] for row in rows)),
        "left": short_number(sum(row["device_hours"] for row in rows if row["left"])),
        "hours are": sources(hours_numbers),
        "answering": short_number(answering_hours),
        "devices": longest["devices"],
        "longest": hours(longest["hours"]),
        "walltime": ABSENT if longest["walltime_hours"] is None else hours(longest["walltime_hours"]),
        "attempts": attempts_of(rows),
        "host GB": short_number(max(row["host_memory_gb"] for row in rows)),
        "device GiB": short_number(max(row["device_memory_gib"] for row in rows)),
        "GiB are": "measured" if any(row["device_memory_source"] == MEASURED for row in rows) else "weights",
    }


def judge_table(rows: Sequence[Mapping]) -> list[dict]:
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
    """The longest training that is left, against the limit of its row of `compute`."""
    if row is None:
        return "No training is left."
    name = f"{row['method']}/{row['model']}/{row['recipe']}"
    device_hours = short_number(row["device_hours"])
    text = f"Longest job: {name}, {device_hours} device-hours, {hours(row['hours'])} on {row['devices']}"
    limit = row["walltime_hours"]
    if limit is None:
        return f"{text}."
    text += f"; its row of `compute` has a runtime of {hours(limit)}"
    if row["attempts"] is None:
        return f"{text}, which is over before it has begun: raise it."
    if row["attempts"] == 1:
        return f"{text}, which is enough."
    text += f", so that it goes on from its checkpoint and takes {row['attempts']} attempts"
    if row["attempts"] <= row["attempts_allowed"]:
        return f"{text}, of the {row['attempts_allowed']} that the profile allows."
    return (
        f"{text}, and the profile allows {row['attempts_allowed']}: raise `runtime`, ranks, or the profile's `retries`."
    )


def summary(result: Mapping) -> list[str]:
    """What matters most, a line each."""
    trained, assumed, disk = result["trainings"], result["assumed"], result["disk"]
    jobs = by_stage(result["jobs"])[-1]
    total, left = (sum(row["device_hours"] for row in trained if row["left"] or whole) for whole in (True, False))
    answers = sum(row["device_hours"] for row in result["answerings"] if row["left"])
    lines = [
        f"Jobs: {jobs['jobs']:,}, of which {jobs['done']:,} are done and {jobs['left']:,} left.",
        f"Trainings: {len(trained)}, {short_number(total)} device-hours in all, of which {short_number(left)} are left"
        f" (where nothing is measured, of {assumed['device']} at {assumed['mfu']:.0%} of its peak); answering what is"
        f" left, {short_number(answers)} more.",
        f"Wall time of what is left, on {result['devices']} at a time: {hours(result['wall_hours'])}, without waiting"
        " in a queue.",
        longest_sentence(result["longest"]),
        f"Disk: {gigabytes(disk['now'])} now, {gigabytes(disk['left'])} to come, {gigabytes(disk['total'])} in all;"
        f" while trainings run, up to {gigabytes(disk['checkpoints'])} of checkpoints.",
    ]
    for row in result["judges"]:
        dollars = "" if row["dollars_left"] is None else f", about ${row['dollars_left']:,.2f}"
        lines.append(f"Judge {row['judge']}: {row['calls']:,} calls, of which {row['calls_left']:,} are left{dollars}.")
    return lines


def markdown(result: Mapping) -> str:
    """The report."""
    parts = [f"# What {', '.join(result['targets'])} of {result['experiment']} will take"]
    parts.append("\n".join(f"- {line}" for line in summary(result)))
    parts += [
        "## Jobs",
        "Those of Snakemake's own DAG.",
        markdown_table(by_stage(result["jobs"]), ("jobs", "done", "left")),
    ]
    if result["trainings"]:
        numbers = ["done", "tokens", "device-hours", "left", "answering", "devices", "longest", "walltime", "attempts"]
        parts += [
            "## Trainings",
            markdown_table(by_model(result), [*numbers, "host GB", "device GiB"]),
            READING,
        ]
    if result["judges"]:
        parts += [
            "## Judges",
            markdown_table(
                judge_table(result["judges"]), ("calls", "done", "left", "tokens left", "money left", "spent")
            ),
        ]
        parts.append("A call a rating; those for replies without one come on top.")
    rows = result["seed_rows"]
    given = [
        {"key": f"plan.{key}", "value": yaml.safe_dump(value, default_flow_style=True).split("\n")[0]}
        for key, value in result["assumed"].items()
    ]
    parts += ["## Assumed", f"Rows of the seed data: {rows['value']:,}, {rows['source']}.", markdown_table(given)]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask_for_targets(parser)
    profile = REPOSITORY / "profiles" / "slurm"
    parser.add_argument("--profile", type=Path, default=profile, metavar="FOLDER", help="whose retries there are")
    options = parser.parse_args(arguments)

    retries = retries_of(options.profile)
    workflow = asked_workflow(options)
    result = plan(workflow, options.targets, retries)
    tell(result, markdown(result), options.output_prefix or f"results/{workflow.config['experiment']}/plan")


if __name__ == "__main__":
    command_line(main)
