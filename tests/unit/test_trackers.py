"""The losses of a training also go where its user looks at them, and no weight changes by that."""

import csv
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from basics.errors import InputError
from tiny import REPOSITORY
from training import trackers
from training.trackers import TRACKERS, check_trackers
from trainings import Training, make_house, weights

PACKAGES = REPOSITORY / ".venv-real"
needs_tensorboard = pytest.mark.skipif(
    not (PACKAGES / "tensorboardX").is_dir(), reason="needs the packages of real.lock"
)
RECORD = struct.Struct("<QI")  # of an event file: length, its checksum, then the event and the checksum of that


def tune(training: Training, wanted: str, packages: Path = PACKAGES) -> subprocess.CompletedProcess:
    """Train in a process that finds the package of the service."""
    curve = training.output.parent / "logs" / training.output.name / "small" / "mine.csv"
    curve.parent.mkdir(parents=True)
    environment = os.environ | {TRACKERS: wanted, "PYTHONPATH": str(packages)}
    command = [*training.command(), "--curve", str(curve)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value by name, of the event files below a folder."""
    sys.path.append(str(PACKAGES))
    try:
        from tensorboardX.proto.event_pb2 import Event
    finally:
        sys.path.remove(str(PACKAGES))
    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.rglob("events.out.tfevents.*"):
        content, place = path.read_bytes(), 0
        while place < len(content):
            length, _ = RECORD.unpack_from(content, place)
            event = Event.FromString(content[place + RECORD.size :][:length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            place += RECORD.size + length + 4
    return found


@needs_tensorboard
def test_tensorboard_shows_the_losses_of_the_curve_and_the_weights_are_the_same(tmp_path):
    house = make_house(tmp_path)
    for name, wanted in (("without", ""), ("with", "tensorboard")):
        done = tune(Training(house, tmp_path / name), wanted)
        assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "with") == weights(tmp_path / "without")
    shown = scalars(tmp_path / "logs" / "with" / "small" / "mine")
    with (tmp_path / "logs" / "with" / "small" / "mine.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for tag, column in (("train/loss", "loss"), ("eval/loss", "validation_loss")):
        known = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
        assert known and shown[tag] == [(step, pytest.approx(loss, rel=1e-4)) for step, loss in known]
    assert not scalars(tmp_path / "logs" / "without")


def test_a_service_that_is_not_installed_is_one_line_and_nothing_is_trained(tmp_path):
    done = tune(Training(make_house(tmp_path), tmp_path / "model"), "mlflow", packages=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: config: trackers: the package mlflow is not installed; install it into")
    assert not (tmp_path / "model").exists()


def test_a_configuration_that_asks_for_it_is_refused_as_well(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: name == "wandb" or None)
    check_trackers(["wandb"])
    with pytest.raises(InputError, match="take tensorboard out"):
        check_trackers(["wandb", "tensorboard"])
