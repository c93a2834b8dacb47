"""Jobs that a Snakemake which was killed has left behind, still running or stopped.

The same job of the next Snakemake waits for such a job, and says so in its own log alone (`basics.locking`), which is
not where one looks when nothing happens on the console.
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psutil

from basics.errors import InputError
from planning.slurm_queue import queue_of

SHOWN = 10  # lines at most


class Orphan(NamedTuple):
    """A job that is still there: what ends it, and a line about it."""

    end: str
    line: str


def orphans_here(logs: Iterable[str]) -> list[Orphan]:
    """The processes of this machine that hold these logs of jobs; without an id if the holder is on another one."""
    holders = None
    found = []
    for log in logs:
        if _is_held(log):
            holders = _holders_of_locks() if holders is None else holders
            found.append(_process(log, holders.get(os.stat(log).st_ino)))
    return found


def orphans_on_slurm(folder: Path) -> list[Orphan]:
    """The jobs that the plugin has submitted from a folder and that Slurm has, before this run submits its first."""
    try:
        queue = queue_of(folder)
    except InputError as error:
        print(f"warning: not known whether jobs of an earlier Snakemake are still there: {error}", file=sys.stderr)
        return []
    return [
        Orphan(f"scancel {job.id}", f"Slurm job {job.id}, {job.state.lower()} for {job.elapsed}: {job.name}")
        for job in queue
    ]


def warn_of_orphans(orphans: list[Orphan]) -> None:
    """Say on standard error which jobs are still there, and that those of this run wait for them."""
    if not orphans:
        return
    more = [f"... and {len(orphans) - SHOWN} more"] if len(orphans) > SHOWN else []
    print(
        f"warning: jobs of an earlier Snakemake are still there, {len(orphans)} in all; where this run makes the same,"
        " it waits for them and takes over what they made, unless you end them:",
        *(f"  {line} ({end})" for end, line in orphans[:SHOWN]),
        *more,
        sep="\n",
        file=sys.stderr,
        flush=True,
    )


def _is_held(log: str) -> bool:
    """Whether another process has locked a log; False if there is none, or no way to tell."""
    try:
        with open(log, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _holders_of_locks() -> dict[int, int]:
    """The process that has locked each file of this machine, by inode (Linux)."""
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return {}
    return {int(row[5].split(":")[2]): int(row[4]) for row in rows if row[1] == "FLOCK"}


def _process(log: str, number: int | None) -> Orphan:
    try:
        process = psutil.Process(number or -1)
        elapsed = timedelta(seconds=round(time.time() - process.create_time()))
        return Orphan(f"kill {number}", f"process {number}, {process.status()} for {elapsed}: {log}")
    except (psutil.Error, ValueError):
        return Orphan("end the job that writes it", f"a process that cannot be seen from here: {log}")
