"""Snakemake as a job of its own (profiles/slurm/controller.sh): its time limit and its death cost no more than time."""

import json
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from cluster import Cluster, wait_until
from controller import BIN, HERE, IMPATIENT, RESULTS, RUN, SITE, TARGET, WEIGHTS
from snake import DEMO

pytestmark = [pytest.mark.slurm, pytest.mark.long]
CHECKPOINTS = Path(RESULTS) / "checkpoints" / RUN


class Controller:
    """A submitted controller, whose output is in `said`."""

    def __init__(self, cluster: Cluster, *options: str):
        self.cluster = cluster
        self.said = cluster.folder / "controller.out"
        self.said.unlink(missing_ok=True)
        shutil.rmtree(cluster.checkout / TARGET, ignore_errors=True)
        shutil.rmtree(cluster.checkout / CHECKPOINTS, ignore_errors=True)
        self.job = self.submit(*options)

    def submit(self, *options: str) -> str:
        (self.cluster.folder / "change.json").write_text(json.dumps({"compute": {}}))
        configuration = [*DEMO, str(HERE / "drills.yaml"), str(self.cluster.folder / "change.json")]
        asked = ["--parsable", "--account=proj", "--partition=cpu", f"--output={self.said}", *options]
        done = subprocess.run(
            ["sbatch", *asked, "profiles/slurm/controller.sh", *configuration, *IMPATIENT, "--", TARGET],
            cwd=self.cluster.checkout,
            env=self.cluster.environment | SITE | {"PATH": f"{BIN}:{self.cluster.environment['PATH']}"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def has_ended(self) -> bool:
        return not self.cluster.ask("squeue", "--noheader", "--name=controller").strip()

    def text(self) -> str:
        return self.said.read_text() if self.said.exists() else ""


@pytest.fixture
def controlled(cluster, unbroken):
    yield cluster
    cluster.answers("scancel", "--user=root")
    wait_until("an empty queue", lambda: not cluster.ask("squeue", "--noheader").strip(), 120)
    subprocess.run(["rm", "-rf", str(cluster.checkout / ".snakemake/locks")], check=True)
    (cluster.checkout / ".snakemake/controller").unlink(missing_ok=True)


def test_a_controller_whose_time_is_up_is_queued_again_and_ends_the_run(controlled, unbroken):
    controller = Controller(controlled, "--time=2", "--signal=B:USR1@90")
    wait_until("a second start", lambda: "queued again" in controller.text(), 180)
    controlled.ask("scontrol", "update", f"jobid={controller.job}", "timelimit=30")
    wait_until("the end", controller.has_ended, 300)
    assert (controlled.checkout / WEIGHTS).read_bytes() == unbroken, controller.text()[-3000:]
    assert "LockException" not in controller.text()
    assert not (controlled.checkout / ".snakemake/controller").exists()


def test_the_lock_of_a_controller_that_was_killed_is_removed_and_no_other(controlled, unbroken):
    controller = Controller(controlled, "--time=30")
    wait_until("a checkpoint", lambda: any((controlled.checkout / CHECKPOINTS).glob("checkpoint-*")), 180)
    second = controller.submit("--time=30")
    wait_until("a refusal", lambda: f"error: job {controller.job} runs Snakemake" in controller.text(), 60)
    assert second != controller.job
    for process in psutil.process_iter(["cmdline"]):
        if "profiles/slurm" in (process.info["cmdline"] or []) and process.cwd() == str(controlled.checkout):
            process.kill()
    wait_until("the end of the first", controller.has_ended, 60)
    assert any((controlled.checkout / ".snakemake/locks").iterdir())
    controller.submit("--time=30")
    wait_until("the end", controller.has_ended, 300)
    assert f"removing the lock of job {controller.job}, which was killed" in controller.text()
    assert (controlled.checkout / WEIGHTS).read_bytes() == unbroken, controller.text()[-3000:]
