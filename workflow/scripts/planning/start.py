"""Checks before the first job: results can be written, no input is dated in the future, keys are set, Slurm
accepts the jobs, judges answer.

Without them, a wrong account or partition fills a page for every job and every attempt (executor plugin 2.8.0), and a
disk that cannot be written to causes a traceback. A job with an input dated in the future runs to its end, is then
found to be older than that input, and its output is removed (Snakemake 9.27), even after days of training.
"""

import datetime
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from basics.errors import InputError
from basics.paths import TIMESTAMP
from basics.settings import read_settings
from judging.settings import JudgeSettings
from judging.shutdowns import check_end, shutdown_date
from judging.template import read_template
from judging.trial import try_judge
from planning.jobs import Call

SKEW = 60  # seconds by which the clocks of a cluster's machines may differ; these are waited out
OPTIONS = {  # of sbatch, by Snakemake's names for resources
    "slurm_account": "--account",
    "slurm_partition": "--partition",
    "constraint": "--constraint",
    "nodes": "--nodes",
    "tasks": "--ntasks",
    "threads": "--cpus-per-task",
    "gpu": "--gpus",
    "mem_mb": "--mem",
    "runtime": "--time",
}
REMEDIES = {  # by a part of what sbatch reports; the first match counts
    "account": "set SLURM_ACCOUNT; `sacctmgr show associations user=$USER` lists yours",
    "partition": "set SLURM_CPU_PARTITION and SLURM_GPU_PARTITION; `sinfo -s` lists those of the cluster",
    "node configuration": "no node has that much: see compute.node, and `ranks` and `memory` of the model's row in"
    " compute; `sinfo -N -o '%N %P %c %m %G'` lists the nodes",
    "time limit": "see `runtime` of the model's row in compute, or in the profile; `sinfo -s` lists limits",
    "feature": "set SLURM_GPU_CONSTRAINT to one that `sinfo -o '%P %f'` lists, or leave it empty",
}


def check_writable(folder: Path) -> None:
    """Make `folder` if it does not exist, and a temporary file in it.

    Raises:
        InputError: if either cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); make it writable, or a link to a disk that is"
        ) from error


def check_dates(folder: Path, inputs: Iterable[str]) -> None:
    """Raise InputError for an input dated further in the future than clocks may differ. `folder` has the results."""
    for path in map(Path, dict.fromkeys(inputs)):
        dated = path / TIMESTAMP if (path / TIMESTAMP).exists() else path
        ahead = dated.stat().st_mtime - time.time() if path.exists() else 0.0
        if ahead > SKEW:
            raise InputError(
                f"{path}: dated {ahead / 3600:.1f} hours from now, so its products would count as older; correct the"
                f" clock or, if it is right, `find {shlex.join([str(folder), str(path)])} -newermt now -exec touch"
                " {} +`, and repeat your command once with --touch, before you change any setting: this marks existing"
                " files as made with the current settings"
            )
        if ahead > 0:
            print(f"{path}: dated {ahead:.0f} s from now; waiting until then", file=sys.stderr)
            time.sleep(ahead)


def check_slurm(jobs: Iterable[tuple[str, Mapping[str, object]]]) -> None:
    """Let Slurm test, without submitting anything, each kind of job: the name of its rule, and its resources.

    Resources whose names are not in OPTIONS are ignored. Jobs that ask for the same resources are of one kind.

    Raises:
        InputError: for the first kind that Slurm would refuse, with its reason; or if there is no sbatch.
    """
    kinds: dict[tuple[str, ...], str] = {}
    for rule, resources in jobs:
        asked = tuple(f"{OPTIONS[name]}={resources[name]}" for name in OPTIONS if resources.get(name) not in (None, ""))
        kinds.setdefault(asked, rule)
    for asked, rule in kinds.items():
        try:
            answer = subprocess.run(["sbatch", "--test-only", *asked, "--wrap=true"], capture_output=True, text=True)
        except FileNotFoundError as error:
            raise InputError("sbatch: not on the PATH; run this where jobs are submitted, on the login node") from error
        if answer.returncode:
            raise InputError(_refusal(rule, asked, answer.stderr))


def check_keys(wanted: Mapping[str, str]) -> None:
    """Check at the start that judges' keys are set: they are needed at the end, when the trainings have been paid for.

    Raises:
        InputError: for a variable in `wanted`, which maps variables to judges, that is not set.
    """
    for variable, judge in wanted.items():
        if not os.environ.get(variable):
            raise InputError(
                f"judge {judge!r}: the environment variable {variable} is not set; export it with the API key"
            )


def judge_faults(calls: Iterable[Call], until: datetime.date, ask: bool) -> list[str]:
    """What is wrong, a line each, with judges at APIs that may be called up to a day.

    Each is asked for a rating; with `ask` false, only its model is looked up in our table of shutdowns. Judges that
    their jobs serve are left out.
    """
    faults = []
    for call in sorted(calls):
        settings = read_settings(JudgeSettings, call.judge)
        if settings.base_url is None:
            continue
        try:
            if ask:
                said = try_judge(settings, read_template(call.template), Path(call.journals), until)
            else:
                said = [f"judge {settings.name} is not asked whether it answers"]
                check_end(settings.name, settings.model, shutdown_date(settings.base_url, settings.model), until)
            print(*said, sep="\n", file=sys.stderr, flush=True)
        except InputError as fault:
            faults.append(str(fault))
    return faults


def check_judges_or_exit(calls: Iterable[Call], until: datetime.date, ask: bool) -> None:
    """Check the judges at APIs, as in `judge_faults`, and exit with one line for each that has a fault."""
    way_out = " (check_judges: offline starts without asking)" if ask else ""
    if faults := judge_faults(calls, until, ask):
        sys.exit("\n".join(f"error: {fault}{way_out}" for fault in faults))


def warn_of_trainings(models: Sequence[str]) -> None:
    """Say which models would be trained again because of a job before them, and how to find out if they must be."""
    if models:
        others = f" and {len(models) - 1:,} more" if len(models) > 1 else ""
        print(
            f"warning: {models[0]}{others} will be trained again because jobs before the training run again. If you"
            " expect the same data from those jobs, stop now and make `all_tokens` first: trainings whose data come out"
            " the same are then left alone",
            file=sys.stderr,
            flush=True,
        )


def _refusal(rule: str, asked: Iterable[str], output: str) -> str:
    """The several lines that sbatch printed as one, with a remedy."""
    reason = "; ".join(line.split(":", 1)[-1].strip() for line in output.splitlines()) or "no reason given"
    remedy = next((f": {remedy}" for part, remedy in REMEDIES.items() if part in reason.lower()), "")
    return f"Slurm would refuse a job of {rule} ({' '.join(asked)}): {reason}{remedy}"


def check_start_or_exit(
    folder: str,
    inputs: Iterable[str],
    jobs: Iterable[tuple[str, Mapping[str, object]]],
    keys: Mapping[str, str] | None = None,
) -> None:
    """Check all of this, and exit with just one line on a fault: Snakemake wraps exceptions in a traceback."""
    try:
        check_writable(Path(folder))
        check_dates(Path(folder), inputs)
        check_keys(keys or {})
        check_slurm(jobs)
    except InputError as error:
        sys.exit(f"error: {error}")
