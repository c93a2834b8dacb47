"""Jobs in the container of envs/apptainer.def; a stand-in for apptainer notes what it is asked for, and does it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snake import DEMO, checkout, snakemake

APPTAINER = """\
#!/bin/sh
[ "$1" != --version ] || {{ echo apptainer version 1.4.5; exit; }}
printf "%s\\n" "$*" | head -n 1 >> {calls}
while [ "$1" != bash ]; do shift; done
exec "$@"
"""
TARGET = "results/demo/seed/segments.jsonl"


@pytest.fixture
def house(tmp_path):
    checkout(tmp_path)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/apptainer"
    program.write_text(APPTAINER.format(calls=tmp_path / "calls"))
    program.chmod(0o755)
    return tmp_path


def run(house: Path, *options: str) -> subprocess.CompletedProcess:
    path = f"{house / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *DEMO, *options, "--", TARGET]
    return subprocess.run(command, cwd=house, env=os.environ | {"PATH": path}, capture_output=True, text=True)


def test_every_job_runs_in_the_image_with_the_options_of_the_site(house):
    said = run(house, "--software-deployment-method", "apptainer", "--apptainer-args", "--nv --bind /scratch")
    assert said.returncode == 0 and (house / TARGET).stat().st_size, said.stderr[-2000:]
    calls = (house / "calls").read_text().splitlines()
    assert [re.findall(r"workflow/scripts/(\w+)\.py", call) for call in calls] == [["seed"], ["segment"]]
    for call in calls:
        assert f"exec --home {house}" in call and "--nv --bind /scratch" in call
        assert " envs/better-alpaca.sif bash -c " in call
    outside = snakemake("--profile", "profiles/local", *DEMO, "--dry-run", "--", TARGET, directory=house)
    assert "software environment definition has changed since last execution" in outside.stdout


def test_an_image_in_the_folder_of_results_counts_before_that_of_the_code(house):
    other = house / "other"
    (other / "envs").mkdir(parents=True)
    (other / "envs/better-alpaca.sif").touch()
    said = run(house, "--directory", str(other), "--software-deployment-method", "apptainer")
    assert said.returncode == 0, said.stderr[-2000:]
    calls = (house / "calls").read_text().splitlines()
    assert all(f"--home {other} " in call and " envs/better-alpaca.sif bash" in call for call in calls)


def test_nothing_is_made_again_and_no_image_is_wanted_without_the_option(house):
    assert run(house).returncode == 0 and not (house / "calls").exists()
    again = snakemake("--profile", "profiles/local", *DEMO, "--dry-run", "--", TARGET, directory=house)
    assert "Nothing to be done" in again.stdout
