"""A disk that fills up, or cannot be written, at any stage: one line says so; with room the same command goes on."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from files import FULL
from full_disk import files_up_to
from small import RESULTS, Checkout, differences

pytestmark = pytest.mark.demo
TOO_FULL = [os.strerror(number) for number in FULL] + ["cannot be written"]


class Job(NamedTuple):
    rule: str
    outputs: list[str]
    command: str

    def run(self, checkout: Checkout, limit: int = -1) -> subprocess.CompletedProcess:
        """Run its command as Snakemake does, but for the log; it may write files of at most `limit` bytes."""
        return subprocess.run(
            ["bash", "-c", f"set -euo pipefail; {self.command} 2>&1"],
            cwd=checkout.folder,
            env=checkout.environment(),
            preexec_fn=files_up_to(limit),
            stdout=subprocess.PIPE,
            text=True,
        )

    def limit(self, checkout: Checkout) -> int:
        """Half of what it writes into one file: of its journal, if it has one, else of its largest output."""
        journal = re.search(r"--journal (\S+)", self.command)
        files = [Path(path) for path in ([journal[1]] if journal else self.outputs)]
        found = [path for file in files for path in [checkout.folder / file, *(checkout.folder / file).rglob("*")]]
        return max(path.stat().st_size for path in found if path.is_file()) // 2


def jobs_of(checkout: Checkout) -> list[Job]:
    """The first job of each rule, in the order in which they run."""
    dry = checkout.run("--dry-run", "--printshellcmds", "--quiet", "host", "--forceall", "--", "all_figures").stdout
    jobs: dict[str, Job] = {}
    for rule, text in re.findall(r"^(?:local)?rule (\w+):$(.*?)(?=^(?:local)?rule |\Z)", dry, flags=re.M | re.S):
        command = re.search(r"^Shell command: (.*?) (?:2> \S+|> \S+ 2>&1)$", text, flags=re.M | re.S)
        if command:
            outputs = re.search(r"^ *output: (.*)$", text, flags=re.M)[1].split(", ")
            jobs.setdefault(f"{rule} full" if "--method full" in command[1] else rule, Job(rule, outputs, command[1]))
    return list(jobs.values())


def test_in_every_stage_a_full_disk_is_one_line_spoils_nothing_and_is_gone_on_from(unbroken, tmp_path):
    checkout = unbroken.copy(tmp_path / "checkout")
    jobs, before = jobs_of(checkout), checkout.artifacts()
    assert len(jobs) > 35, "every rule, some in both methods"
    limits = [job.limit(checkout) for job in jobs]
    for journal in (checkout.results / "journals").rglob("*.jsonl"):
        journal.unlink()
    (checkout.folder / "calls").unlink()

    with ThreadPoolExecutor(2) as pool:
        failures = list(pool.map(lambda job, limit: job.run(checkout, limit), jobs, limits))
    for job, failed in zip(jobs, failures, strict=True):
        errors = [line for line in failed.stdout.splitlines() if "error: " in line]
        assert failed.returncode == 1 and len(errors) == 1, f"{job.rule}: {failed.stdout[-3000:]}"
        assert any(reason in errors[0] for reason in TOO_FULL) and RESULTS in errors[0], f"{job.rule}: {errors[0]}"
        assert "Traceback" not in failed.stdout, f"{job.rule}: {failed.stdout[-3000:]}"
    assert not differences(checkout.artifacts(), before), "earlier files stay whole, and nothing lies beside them"

    for job in jobs:
        done = job.run(checkout)
        assert done.returncode == 0, f"{job.rule}: {done.stdout[-3000:]}"
    assert not differences(checkout.artifacts(), before)
    for name, keys in checkout.journals().items():
        assert sorted(keys) in ([], sorted(unbroken.journals()[name])), f"{name}: each item once"
