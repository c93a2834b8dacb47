"""What plan.py and status.py share: options for targets, Snakemake's jobs by stage, and the report's files."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from basics.writing import write_json, write_text
from planning.jobs import Workflow, read_workflow

SLURM = Path(__file__).resolve().parents[3] / "profiles" / "slurm"
TARGETS = "Snakefile"  # the stage of rules that only collect targets


def stage_rows(workflow: Workflow) -> list[dict]:
    """Jobs by stage and rule, in the order of the stages; rules that only collect targets come last."""
    rules: dict[tuple[str, str], Counter] = {}
    for job in workflow.jobs:
        rules.setdefault((job.stage, job.rule), Counter()).update(["left" if job.left else "done"])
    place = {stage: number for number, stage in enumerate([*(s for s in workflow.stages if s != TARGETS), TARGETS])}
    return [
        {"stage": "targets" if stage == TARGETS else stage, "rule": rule, "jobs": count.total()}
        | {key: count[key] for key in ("done", "left")}
        for (stage, rule), count in sorted(rules.items(), key=lambda entry: (place[entry[0][0]], entry[0][1]))
    ]


def totals_by_stage(rows: Sequence[Mapping]) -> list[dict]:
    """The rows of `stage_rows` summed over the rules of each stage, and over all stages."""
    total: dict[str, Counter] = {}
    for row in rows:
        total.setdefault(row["stage"], Counter()).update({key: row[key] for key in ("jobs", "done", "left")})
    total["all"] = sum(total.values(), Counter())
    return [{"stage": stage} | {key: count[key] for key in ("jobs", "done", "left")} for stage, count in total.items()]


def key_value(argument: str) -> tuple[str, object]:
    """Split KEY=VALUE, where VALUE is YAML; the `type` of an argparse argument."""
    key, separator, value = argument.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{argument!r} is not KEY=VALUE, as in runs=scored")
    return key, yaml.safe_load(value)


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add options that have the same meaning as in Snakemake, and --output-prefix."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="rules or files, as for snakemake (all_figures)")
    parser.add_argument("--configfile", nargs="+", default=[], type=Path, metavar="FILE", help="overrides config.yaml")
    parser.add_argument("--config", nargs="+", default=[], type=key_value, metavar="KEY=VALUE", help="overrides those")
    parser.add_argument("--output-prefix", metavar="PREFIX", help="path of the output files, without suffix")


def add_profile_option(parser: argparse.ArgumentParser, help: str) -> None:
    """Add --profile, by default that of Slurm."""
    parser.add_argument("--profile", type=Path, default=SLURM, metavar="FOLDER", help=help)


def workflow_of(options: argparse.Namespace) -> Workflow:
    """The workflow that those options ask for. Raises like `read_workflow`."""
    return read_workflow(options.targets, options.configfile, dict(options.config))


def write_report(result: Mapping, text: str, prefix: str) -> None:
    """Write PREFIX.json and PREFIX.md, and print the latter."""
    write_json(f"{prefix}.json", result)
    write_text(f"{prefix}.md", text)
    sys.stdout.write(text)
    print(f"{prefix}.md, {prefix}.json", file=sys.stderr)
