"""Run Snakemake as a user does, and read what it would do."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = ("--configfile", "config/demo.yaml")


class Job(NamedTuple):
    rule: str
    inputs: list[str]
    command: str


def checkout(folder: Path, *more: str) -> Path:
    """A copy of the repository that keeps the dates of its files, and has no results except those of `more`.

    What runs there is in nobody's way: of two Snakemakes in one folder, the first to end removes the locks of both.
    """
    folders = ["workflow", "config", "profiles", "resources", "envs"]
    for name in ["Snakefile", "CITATION.cff", "LICENSE", *folders, *more]:
        source, target = REPOSITORY / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    (folder / ".venv-bergamot").symlink_to(REPOSITORY / ".venv-bergamot")
    return folder


def environment() -> dict[str, str]:
    """The environment of an activated shell."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def snakemake(*arguments: str, directory: Path = REPOSITORY) -> subprocess.CompletedProcess:
    """Run `snakemake ARGUMENTS` in a checkout; stdout and stderr come back together, as text."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def dry_run(*arguments: str, directory: Path = REPOSITORY) -> list[Job]:
    """Jobs that `snakemake ARGUMENTS` would run, each with its rule and its command."""
    result = snakemake("--dry-run", "--printshellcmds", *arguments, directory=directory)
    assert result.returncode == 0, result.stdout
    rules = re.split(r"^(?:local)?rule (\w+):$", result.stdout, flags=re.MULTILINE)
    return [
        Job(rule, _field(text, " *input: ").split(", "), _field(text, " *Shell command: "))
        for rule, text in zip(rules[1::2], rules[2::2], strict=True)
    ]


def run(*arguments: str, directory: Path = REPOSITORY) -> str:
    """Run `snakemake ARGUMENTS` on the miniature, which must succeed. Returns the output."""
    result = snakemake("--profile", "profiles/local", *DEMO, *arguments, directory=directory)
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def _field(text: str, label: str) -> str:
    found = re.search(rf"^{label}(.*)$", text, flags=re.MULTILINE)
    return found.group(1) if found else ""


def counts(jobs: list[Job]) -> Counter:
    return Counter(job.rule for job in jobs)
