"""A training that is stopped, at any step and in any way, ends with the bytes of an uninterrupted one."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from basics.reading import read_json
from training import checkpoints
from training.ranks import INTERRUPTED
from trainings import LORA, Training, make_house, trajectory, weights

EPOCH = 3  # steps
SETTINGS = {"epochs": 30, "evaluate_every": 2, "micro_batch_tokens": 150}
METHODS = {  # two ranks each; dropout draws from a generator whose state a checkpoint must restore
    "lora": {"lora": LORA | {"dropout": 0.1}, "learning_rate": 1e-2},
    "full": {"zero_stage": 2, "learning_rate": 1e-3},
}
DEADLINE = 180  # seconds


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    return make_house(tmp_path_factory.mktemp("house"))


class Stopped:
    """One training, started over and over."""

    def __init__(self, training: Training, **changed):
        self.training, self.changed = training, changed
        self.began_at = 0  # step

    def start(self) -> subprocess.Popen:
        self.began_at = max(map(checkpoints.step_of, self.whole()), default=0)
        # Steps are quick: `nice` lets the test that waits for one notice it in time, even on a busy machine.
        command = ["nice", "-n", "19", *self.training.command(ranks=2, **self.changed)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def reaches(self, process: subprocess.Popen, step: int) -> None:
        """Wait until the training has, since this start, made a checkpoint at `step` or later."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            assert process.poll() is None, f"it ended before it could be stopped: {process.stderr.read()[-2000:]}"
            if any(checkpoints.step_of(path) >= max(step, self.began_at + 1) for path in self.whole()):
                return
            time.sleep(0.005)
        raise AssertionError(f"no checkpoint of step {step} after {DEADLINE} s")

    def whole(self) -> list[Path]:
        try:
            found = checkpoints.list_checkpoints(self.training.checkpoints)
        except FileNotFoundError:  # the training removes and recreates the folder, perhaps at this very moment
            return []
        return [path for path in found if checkpoints.is_whole(path)]

    def kill_at(self, step: int, whom: str) -> None:
        """Send SIGKILL to the launcher, and to all ranks at once or to none, some time after `step`."""
        process = self.start()
        self.reaches(process, step)
        time.sleep(random.uniform(0, 0.1))
        family = [psutil.Process(process.pid)]
        children = family[0].children(recursive=True)
        for member in [*family, *(children if whom == "all" else [])]:
            member.kill()
        process.communicate()
        assert not psutil.wait_procs(children, timeout=10)[1], "a rank outlived its launcher"
        assert not self.training.output.exists()

    def ask_at(self, step: int, number: signal.Signals, whom: str) -> int:
        """Send a signal to the launcher alone, or to it and all ranks as a cluster does. Returns the exit status."""
        process = self.start()
        self.reaches(process, step)
        family = psutil.Process(process.pid)
        for member in [family, *(family.children(recursive=True) if whom == "all" else [])]:
            member.send_signal(number)
        _, messages = process.communicate(timeout=DEADLINE)
        assert "run it again to go on" in messages
        assert not self.training.output.exists()
        return process.returncode

    def finish(self) -> dict:
        _, messages = (process := self.start()).communicate(timeout=DEADLINE)
        assert process.returncode == 0, messages[-2000:]
        return read_json(self.training.output / "training.json")

    def tear_newest(self) -> Path:
        """Cut the largest file of the newest checkpoint in half; return the checkpoint before."""
        *_, before, newest = self.whole()
        torn = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        os.truncate(torn, torn.stat().st_size // 2)
        return before


def test_a_disk_that_fills_up_at_a_checkpoint_is_reported_in_one_line_and_earlier_steps_are_kept(house, tmp_path):
    training = Training(house, tmp_path / "full-disk", "full")
    changed = SETTINGS | {"learning_rate": 1e-3}
    process = subprocess.Popen(training.command(**changed), stderr=subprocess.PIPE, text=True)
    run = Stopped(training, **changed)
    run.reaches(process, 4)
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (10_000, 10_000))  # bytes per file from now on
    _, messages = process.communicate(timeout=DEADLINE)
    errors = [line for line in messages.splitlines() if "error: " in line]
    assert process.returncode == 1 and len(errors) == 1, messages[-2000:]
    assert f"{training.checkpoints}/checkpoint-" in errors[0] and "make room and run again" in errors[0]
    assert "Traceback" not in messages
    assert checkpoints.list_checkpoints(training.checkpoints) == run.whole() != []
    subprocess.run(training.command(**changed), check=True, capture_output=True)
    unbroken = training._replace(output=tmp_path / "unbroken")
    subprocess.run(unbroken.command(**changed), check=True, capture_output=True)
    assert read_json(training.output / "training.json")["resumed_from_step"] >= 4
    assert weights(training.output) == weights(unbroken.output)


@pytest.mark.parametrize("method", METHODS)
def test_a_training_killed_and_interrupted_ends_with_the_bytes_of_an_uninterrupted_one(house, tmp_path, method):
    """Killed, asked to stop by a signal, its newest checkpoint torn. Whom a kill and a signal reach is a matter of
    launch.py and of the ranks, whatever they train, so each method has one kind of each: a start takes ten seconds."""
    changed = SETTINGS | METHODS[method]
    unbroken, run = (Stopped(Training(house, tmp_path / name, method), **changed) for name in ("unbroken", "stopped"))
    plain = unbroken.finish()
    assert plain["resumed_from_step"] is None

    if method == "lora":
        run.kill_at(2, "all")  # of the first three steps
        assert run.ask_at(random.randrange(8 * EPOCH, 10 * EPOCH), signal.SIGUSR1, "launcher") == INTERRUPTED
    else:
        assert run.ask_at(random.randrange(EPOCH + 1, 3 * EPOCH), signal.SIGTERM, "all") == INTERRUPTED
        run.kill_at(random.randrange(4 * EPOCH, 6 * EPOCH), "launcher")
    before = run.tear_newest()
    checkpoints.mark_whole(before, seconds=1000.0)  # as if it had taken that long to get there
    record = run.finish()

    assert 1000 < record["seconds"] < 1000 + DEADLINE, "the seconds before the interruption count as well"
    assert record["tokens_per_second"] == pytest.approx(record["tokens"] / record["seconds"], abs=0.06)
    assert record["resumed_from_step"] == checkpoints.step_of(before)
    assert weights(run.training.output) == weights(unbroken.training.output)
    assert trajectory(record) == trajectory(plain)
    assert not run.training.checkpoints.exists()
