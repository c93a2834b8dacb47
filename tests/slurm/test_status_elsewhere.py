"""What a run does on other machines: `make status` where no process of a job can be seen, as on a login node."""

import json
import subprocess
import sys

import pytest

from cluster import wait_until
from controller import HERE, IMPATIENT, RESULTS, TARGET, start
from snake import DEMO

pytestmark = pytest.mark.slurm


def state(cluster) -> str:
    """The state of the drills' training by status.py in a process namespace of its own."""
    report = cluster.folder / "status"
    configuration = [*DEMO, str(HERE / "drills.yaml"), str(cluster.folder / "change.json")]
    command = [sys.executable, "workflow/scripts/status.py", *configuration, "--output-prefix", str(report)]
    apart = ["unshare", "--pid", "--fork", "--mount-proc", *command, "--", TARGET]
    done = subprocess.run(apart, cwd=cluster.checkout, env=cluster.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(report.with_suffix(".json").read_text())["models"]
    return row["state"]


def test_a_training_on_another_node_runs_as_long_as_slurm_says_so_with_its_snakemake_or_without(cluster, unbroken):
    subprocess.run(["rm", "-r", str(cluster.checkout / TARGET)], check=True)
    process = start(cluster, "drills.yaml", *IMPATIENT, "--", TARGET)
    checkpoints = cluster.checkout / RESULTS / "checkpoints"
    wait_until("a checkpoint", lambda: any(checkpoints.rglob("checkpoint-*")), 120)
    assert state(cluster) == "running"
    process.kill()  # leaves its submission
    process.wait()
    assert state(cluster) == "running"
    cluster.answers("scancel", "--user=root", "--signal=KILL", "--full")
    wait_until("an empty queue", lambda: not cluster.ask("squeue", "--noheader").strip())
    assert state(cluster) in ("failed", "interrupted")
    subprocess.run(["rm", "-rf", str(cluster.checkout / ".snakemake" / "locks")], check=True)
