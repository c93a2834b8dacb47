"""What Slurm says of the jobs that were submitted from a folder."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from basics.errors import InputError

OF_PLUGIN = "rule_"  # with this begin the comments of the jobs that Snakemake's plugin submits (2.8.0)
FIELDS = "%i|%T|%M|%Z|%k"  # id, state, elapsed, folder, comment


class Submitted(NamedTuple):
    """A job in Slurm's queue: `comment` names its rule and wildcards, or its group."""

    id: str
    state: str
    elapsed: str
    comment: str

    @property
    def name(self) -> str:
        """The rule and wildcards, or the group."""
        return self.comment.removeprefix(OF_PLUGIN)


def comment_of(rule_or_group: str, wildcards: Mapping[str, str]) -> str:
    """The comment with which the plugin submits a job; for a group, `wildcards` are empty."""
    values = "_".join(wildcards.values()).replace("/", "_")
    return f"{OF_PLUGIN}{rule_or_group}" + (f"_wildcards_{values}" if values else "")


def queue_of(folder: Path) -> list[Submitted]:
    """This user's jobs that the plugin has submitted from a folder and that wait or run; none without a Slurm.

    Raises InputError when Slurm does not answer.
    """
    if not shutil.which("squeue"):
        return []
    asked = ["squeue", "--me", "--noheader", "--array", f"--format={FIELDS}"]
    answer = subprocess.run(asked, capture_output=True, text=True)
    if answer.returncode:
        raise InputError(f"squeue: {' '.join(answer.stderr.split())}; try again when Slurm answers")
    rows = (line.strip().split("|", 4) for line in answer.stdout.splitlines() if line.count("|") >= 4)
    return [
        Submitted(job, state, elapsed, comment)
        for job, state, elapsed, place, comment in rows
        if comment.startswith(OF_PLUGIN) and Path(place).resolve() == folder.resolve()
    ]
