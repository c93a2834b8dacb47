"""A training that is stopped, at any step and in any way, ends with the bytes of an unbroken one."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import checkpoints
import psutil
import pytest
from files import read_json
from ranks import INTERRUPTED
from trainings import LORA, Training, make_house, trajectory, weights

EPOCH = 3  # steps
SETTINGS = {"epochs": 40, "evaluate_every": 2, "micro_batch_tokens": 150}
METHODS = {  # two ranks each; dropout draws from a generator that a checkpoint must bring back
    "lora": {"lora": LORA | {"dropout": 0.1}, "learning_rate": 1e-2},
    "full": {"zero_stage": 2, "learning_rate": 1e-3},
}
DEADLINE = 180  # seconds


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    return make_house(tmp_path_factory.mktemp("house"))


class Stopped:
    """One training, started again and again."""

    def __init__(self, training: Training, **changed):
        self.training, self.changed = training, changed

    def start(self) -> subprocess.Popen:
        command = self.training.command(ranks=2, **self.changed)
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def reaches(self, process: subprocess.Popen, step: int) -> None:
        """Wait until the checkpoint of `step`, or of a later one, is whole."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            assert process.poll() is None, f"it ended before it could be stopped: {process.stderr.read()[-2000:]}"
            if any(checkpoints.step_of(path) >= step for path in self.whole()):
                return
            time.sleep(0.005)
        raise AssertionError(f"no checkpoint of step {step} after {DEADLINE} s")

    def whole(self) -> list[Path]:
        return [path for path in checkpoints.found(self.training.checkpoints) if checkpoints.is_whole(path)]

    def kill_at(self, step: int) -> None:
        """SIGKILL to the launcher and all ranks at once, some time after `step`."""
        process = self.start()
        self.reaches(process, step)
        time.sleep(random.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not self.training.output.exists()

    def ask_at(self, step: int, number: signal.Signals, whom: str) -> int:
        """A signal to the launcher alone, or to it and all ranks as a cluster sends it; the status it ends with."""
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


@pytest.fixture(scope="module", params=METHODS)
def unbroken(request, house, tmp_path_factory) -> Stopped:
    run = Stopped(
        Training(house, tmp_path_factory.mktemp("unbroken") / "model", request.param),
        **SETTINGS | METHODS[request.param],
    )
    run.finish()
    return run


def again(unbroken: Stopped, folder: Path) -> Stopped:
    """The same training, to elsewhere."""
    return Stopped(unbroken.training._replace(output=folder / "model"), **unbroken.changed)


def is_as(run: Stopped, unbroken: Stopped) -> None:
    output, other = run.training.output, unbroken.training.output
    assert weights(output) == weights(other)
    record, plain = (read_json(folder / "training.json") for folder in (output, other))
    assert record["resumed_from_step"] and not plain["resumed_from_step"]
    assert trajectory(record) == trajectory(plain)
    assert not run.training.checkpoints.exists()


def test_killed_in_the_first_and_in_a_later_epoch_it_ends_with_the_same_bytes(unbroken, tmp_path):
    run = again(unbroken, tmp_path)
    run.kill_at(2)  # of three steps
    run.kill_at(random.randrange(EPOCH + 1, 12 * EPOCH))
    run.finish()
    is_as(run, unbroken)


@pytest.mark.parametrize(("number", "whom"), [(signal.SIGTERM, "all"), (signal.SIGUSR1, "launcher")])
def test_asked_to_stop_it_writes_a_checkpoint_says_so_and_ends_with_the_same_bytes(unbroken, tmp_path, number, whom):
    run = again(unbroken, tmp_path)
    assert run.ask_at(random.randrange(2, 8 * EPOCH), number, whom) == INTERRUPTED
    assert run.whole(), "the checkpoint it wrote"
    run.finish()
    is_as(run, unbroken)


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(unbroken, tmp_path):
    run = again(unbroken, tmp_path)
    run.kill_at(9)
    *_, before, newest = run.whole()
    torn = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(torn, torn.stat().st_size // 2)
    record = run.finish()
    assert record["resumed_from_step"] == checkpoints.step_of(before)
    is_as(run, unbroken)
