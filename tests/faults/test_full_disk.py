"""A disk that fills up in any stage: one line says so, and once there is room the same command resumes."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from basics.errors import FULL
from small import RESULTS, Checkout, differences

pytestmark = [pytest.mark.demo, pytest.mark.long]
TOO_FULL = [os.strerror(number) for number in FULL] + ["cannot be written"]


class Job(NamedTuple):
    rule: str
    outputs: list[str]
    command: str

    def run(self, checkout: Checkout) -> subprocess.CompletedProcess:
        """Run its command as Snakemake does, except for the log."""
        return subprocess.run(
            ["bash", "-c", f"set -euo pipefail; {self.command} 2>&1"],
            cwd=checkout.folder,
            env=checkout.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )

    def half(self, checkout: Checkout) -> int:
        """Half the size of the file it writes: of its journal, if it has one, or else of its largest output."""
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


class SmallDisk:
    """A disk in memory for a folder, with a given amount of free space."""

    def __init__(self, folder: Path):
        self.folder, before = folder, folder.with_name("before")
        folder.rename(before)
        folder.mkdir()
        try:
            self._mount("-t", "tmpfs", "tmpfs")
        except subprocess.CalledProcessError:
            pytest.skip("cannot mount a disk")
        try:
            shutil.copytree(before, folder, dirs_exist_ok=True)
        except BaseException:
            self.remove()
            raise

    def _mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True, capture_output=True)

    def leave(self, free: int) -> None:
        """Leave that many bytes free, rounded down to whole pages."""
        disk = os.statvfs(self.folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        self._mount("-o", f"remount,size={used + free // disk.f_frsize * disk.f_frsize}")

    def remove(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


@pytest.fixture
def checkout(unbroken, tmp_path) -> Checkout:
    return unbroken.copy(tmp_path / "checkout")


@pytest.fixture
def disk(checkout) -> Iterator[SmallDisk]:
    disk = SmallDisk(checkout.results)
    yield disk
    disk.remove()


def test_in_every_stage_a_full_disk_gives_one_line_spoils_nothing_and_can_be_resumed_from(unbroken, checkout, disk):
    jobs, before = jobs_of(checkout), checkout.artifacts()
    assert len(jobs) > 35, "every rule, some in both methods"
    halves = [job.half(checkout) for job in jobs]
    for journal in (checkout.results / "journals").rglob("*.jsonl"):
        journal.unlink()

    for job, half in zip(jobs, halves, strict=True):
        disk.leave(half)
        failed = job.run(checkout)
        errors = [line for line in failed.stdout.splitlines() if "error: " in line]
        assert failed.returncode == 1 and len(errors) == 1, f"{job.rule}: {failed.stdout[-3000:]}"
        assert any(reason in errors[0] for reason in TOO_FULL) and RESULTS in errors[0], f"{job.rule}: {errors[0]}"
        assert "Traceback" not in failed.stdout, f"{job.rule}: {failed.stdout[-3000:]}"
    assert not differences(checkout.artifacts(), before), "earlier files stay whole, and nothing is left beside them"

    disk.leave(2**30)
    for job in jobs:
        done = job.run(checkout)
        assert done.returncode == 0, f"{job.rule}: {done.stdout[-3000:]}"
    assert not differences(checkout.artifacts(), before)
    for name, keys in checkout.journals().items():
        assert sorted(keys) in ([], sorted(unbroken.journals()[name])), f"{name}: each item once"
