"""The bad days of a cluster, on a real Slurm: whatever happens to a training, it resumes where it was and ends with the
weights of an uninterrupted one.
"""

import os
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from cluster import Cluster, wait_until
from controller import RESULTS, RUN, SITE, TARGET, WEIGHTS, accounts, start

pytestmark = pytest.mark.slurm
SMALL = {"up_to": 1, "ranks": 1, "memory": "2GB", "runtime": "30m"}
NO_SIGNAL = ("--set-resources", "train:slurm_extra=''")


class Drill:
    """One training on the cluster, to be disturbed."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.before = {job for [job] in accounts(cluster, "JobID")}
        results = cluster.checkout / RESULTS
        self.checkpoints = results / "checkpoints" / RUN
        self.log = results / "logs" / "train" / f"{RUN}.log"
        shutil.rmtree(cluster.checkout / TARGET, ignore_errors=True)
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def weights(self) -> bytes:
        return (self.cluster.checkout / WEIGHTS).read_bytes()

    def went_on(self) -> bool:
        return "going on from" in self.log.read_text()

    def start(self, *options: str, compute: dict | None = None) -> None:
        self.process = start(self.cluster, "drills.yaml", *options, "--", TARGET, compute=compute)

    def under_way(self) -> str:
        """Wait until the training has a checkpoint. Returns the id of its job."""
        wait_until("a checkpoint", lambda: any(self.checkpoints.glob("checkpoint-*")), 120)
        return self.cluster.ask("squeue", "--noheader", "--states=R", "--partition=gpu", "--format=%A").split()[0]

    def stall(self) -> None:
        """Suspend the training, as if it waited for a disk. Slurm wakes it when its time is up."""
        for process in psutil.process_iter(["cmdline"]):
            trains = "workflow/scripts/train.py" in (process.info["cmdline"] or [])
            if trains and process.cwd() == str(self.cluster.checkout):
                process.suspend()

    def finish(self) -> str:
        """Wait for the controller, which must succeed. Returns its output."""
        said, _ = self.process.communicate(timeout=400)
        assert self.process.returncode == 0, said[-4000:]
        return said

    def states(self) -> list[str]:
        """How the jobs of this training ended, in order; the cluster has run others, too."""
        rows = self.cluster.ask(
            "sacct", "--allocations", "--duplicates", "--noheader", "--parsable2", "--format=JobID,State,Comment"
        )
        rows = [row.split("|") for row in rows.splitlines()]
        return [
            state.split()[0] for job, state, rule in rows if rule.startswith("rule_train") and job not in self.before
        ]


@pytest.fixture
def drill(cluster, unbroken):
    drill = Drill(cluster)
    yield drill
    if drill.process.poll() is None:
        drill.process.kill()
    cluster.answers("scancel", "--user=root")
    subprocess.run(["rm", "-rf", str(cluster.checkout / ".snakemake" / "locks")], check=True)


@pytest.mark.long
def test_a_job_that_exceeds_its_memory_gets_more_at_the_next_attempt(drill, unbroken):
    drill.start(compute={"lora": [SMALL | {"memory": "300MB"}]})
    drill.finish()
    assert drill.states()[0] in ("FAILED", "OUT_OF_MEMORY") and drill.states()[-1] == "COMPLETED"
    jobs = accounts(drill.cluster, "ReqMem,Comment")
    memory = [int(mb.rstrip("M")) for mb, comment in jobs if "rule_train_" in comment]
    assert memory[-2:] == sorted(memory[-2:]) and memory[-1] > memory[-2]
    assert drill.weights() == unbroken


@pytest.mark.long
def test_a_training_that_exceeds_its_time_is_resumed_by_the_next_job(drill, unbroken):
    drill.start(*NO_SIGNAL, compute={"lora": [SMALL | {"runtime": "1m"}]})
    drill.under_way()
    drill.stall()
    drill.finish()
    assert len(drill.states()) > 1 and drill.states()[0] in ("TIMEOUT", "FAILED")
    assert drill.went_on() and drill.weights() == unbroken


def test_a_cancelled_training_is_resumed_by_the_next_job(drill, unbroken):
    drill.start()
    drill.cluster.ask("scancel", drill.under_way())
    drill.finish()
    assert drill.states()[0] in ("CANCELLED", "FAILED") and drill.states()[-1] == "COMPLETED"
    assert drill.went_on() and drill.weights() == unbroken


@pytest.mark.long
def test_a_training_whose_node_crashes_goes_on_elsewhere(drill, unbroken):
    drill.start()
    job = drill.under_way()
    node = drill.cluster.ask("squeue", "--noheader", "--jobs", job, "--format=%N").strip()
    drill.cluster.crash_node(node)
    drill.finish()
    assert "NODE_FAIL" in drill.states() and drill.states()[-1] == "COMPLETED"
    drill.cluster.start_node(node)
    wait_until("the node is back", lambda: drill.cluster.takes_jobs(node), 120)
    assert drill.went_on() and drill.weights() == unbroken


@pytest.mark.long
def test_slurms_controller_may_be_down_for_a_while(drill, unbroken):
    drill.start()
    drill.under_way()
    drill.cluster.stop_process("slurmctld")
    time.sleep(8)
    drill.cluster.start_controller()
    drill.finish()
    assert drill.states() == ["COMPLETED"] and drill.weights() == unbroken


def test_after_snakemake_is_killed_the_next_one_waits_for_the_job_that_still_runs(drill, unbroken):
    drill.start()
    job = drill.under_way()
    drill.process.kill()
    drill.process.communicate()
    drill.start("--unlock")
    drill.finish()
    drill.start()
    said = drill.finish()
    assert re.search(
        rf"^  Slurm job {job}, running for \S+: train_wildcards_\S+ \(scancel {job}\)$", said, re.MULTILINE
    )
    assert drill.states() == ["COMPLETED"] * 2
    assert "made by the job that this one waited for" in drill.log.read_text()
    assert drill.weights() == unbroken


@pytest.mark.long
def test_an_interrupted_snakemake_cancels_its_jobs_and_the_next_one_resumes(drill, unbroken):
    drill.start()
    drill.under_way()
    os.kill(drill.process.pid, signal.SIGINT)
    drill.process.communicate(timeout=60)
    wait_until("no job is left", lambda: not drill.cluster.ask("squeue", "--noheader", "--partition=gpu").strip(), 60)
    drill.start()
    drill.finish()
    assert drill.went_on() and drill.weights() == unbroken


@pytest.mark.long
def test_a_preempted_training_goes_on_when_the_urgent_job_is_done(drill, unbroken):
    drill.start()
    drill.under_way()
    urgent = ["--partition=urgent", "--nodes=2", "--gpus-per-node=4", f"--account={SITE['SLURM_ACCOUNT']}"]
    drill.cluster.ask("sbatch", *urgent, "--output=/dev/null", "--wrap=sleep 5")
    drill.finish()
    assert len(drill.states()) > 1 and drill.states()[-1] == "COMPLETED"
    assert drill.went_on() and drill.weights() == unbroken


@pytest.mark.long
def test_a_full_disk_is_reported_and_with_room_the_training_goes_on(drill, unbroken):
    drill.checkpoints.mkdir(parents=True)
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(drill.checkpoints)]
    if subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk")
    try:
        drill.start("--retries", "1")
        said, _ = drill.process.communicate(timeout=200)
        assert drill.process.returncode == 1 and "cannot be written" in said, said[-3000:]
        subprocess.run(["mount", "-o", "remount,size=50M", str(drill.checkpoints)], check=True)
        drill.start()
        drill.finish()
    finally:
        subprocess.run(["umount", "--lazy", str(drill.checkpoints)], check=True)
    assert drill.weights() == unbroken
