"""What a user may get wrong on a cluster is reported in one line, before anything is submitted."""

import re
import shutil
import subprocess

import pytest

from controller import RESULTS, TARGET, accounts, run

pytestmark = pytest.mark.slurm
EIGHT_GPUS = {
    "node": {"gpus": 8, "memory": "16GB"},
    "lora": [{"up_to": 1, "ranks": 8, "memory": "2GB", "runtime": "1h"}],
}
MISTAKES = {
    "account": ({"site": {"SLURM_ACCOUNT": "nobodys"}}, "nobodys appears to be invalid", "set SLURM_ACCOUNT"),
    "partition": ({"site": {"SLURM_GPU_PARTITION": "gpus"}}, "Invalid partition name", "set SLURM_CPU_PARTITION and"),
    "constraint": ({"site": {"SLURM_GPU_CONSTRAINT": "h200"}}, "Invalid feature", "set SLURM_GPU_CONSTRAINT"),
    "GPUs": ({"compute": EIGHT_GPUS}, "Requested node configuration is not available", "see compute.node"),
}


def told(cluster, **changes: dict) -> str:
    """The one line that a run of the training ends with; its inputs already exist."""
    shutil.rmtree(cluster.checkout / TARGET, ignore_errors=True)
    before = accounts(cluster, "JobID")
    status, said = run(cluster, "drills.yaml", "--", TARGET, **changes)
    assert status == 1 and accounts(cluster, "JobID") == before
    lines = said.split("Job stats:")[1].splitlines()
    assert [line for line in lines if "rror" in line or "Traceback" in line] == lines[-1:], said[-3000:]
    return lines[-1]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_slurms_refusal_is_reported_in_one_line_with_its_remedy(cluster, unbroken, mistake):
    changes, reason, remedy = MISTAKES[mistake]
    line = told(cluster, **changes)
    assert re.match(r"error: (Slurm would refuse a job of train \(|the plugin would not submit a job: )", line)
    assert reason in line and remedy in line


def test_a_run_that_may_submit_more_than_slurm_allows_is_told_how_many(cluster, unbroken):
    """Each refused submission would count as an attempt."""
    modify = ["sacctmgr", "--immediate", "modify", "user", "root", "set"]
    cluster.ask(*modify, "MaxSubmitJobs=3")
    try:
        line = told(cluster)
        status, said = run(cluster, "drills.yaml", "--jobs", "3", "--", TARGET)
    finally:
        cluster.ask(*modify, "MaxSubmitJobs=-1")
    assert line == (
        "error: Slurm lets you have 3 jobs submitted at a time (MaxSubmitJobs of account proj), and this run may submit"
        " 100: add --jobs 3, or less if you submit others meanwhile"
    )
    assert status == 0, said[-3000:]


def test_results_that_cannot_be_written_are_reported_in_one_line(cluster):
    results = cluster.checkout / RESULTS
    results.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(results)], capture_output=True).returncode:
        pytest.skip("cannot mount a disk")
    try:
        assert told(cluster).startswith(f"error: {RESULTS}: cannot be written (Read-only file system)")
    finally:
        subprocess.run(["umount", str(results)], check=True)
