"""Checks before the first job: results can be written, no input is dated in the future, keys are set, judges answer.

Without them, a disk that cannot be written to causes a traceback. A job with an input dated in the future runs to its
end, is then found to be older than that input, and its output is removed (Snakemake 9.27), even after days of training.
"""

import datetime
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from basics.errors import InputError, exit_in_one_line
from basics.paths import TIMESTAMP
from basics.settings import read_settings
from judging.settings import JudgeSettings
from judging.shutdowns import check_end, shutdown_date
from judging.template import read_template
from judging.trial import try_judge
from planning.jobs import Call

SKEW = 60  # seconds by which the clocks of a cluster's machines may differ; these are waited out


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


@exit_in_one_line()
def check_start_or_exit(folder: str, inputs: Iterable[str], keys: Mapping[str, str] | None = None) -> None:
    """Check results, dates and keys, and exit with just one line on a fault."""
    check_writable(Path(folder))
    check_dates(Path(folder), inputs)
    check_keys(keys or {})
