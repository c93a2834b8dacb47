"""Which checkpoints are whole, which are resumed, and which are kept."""

import os
from pathlib import Path

import pytest

from basics.writing import write_json
from training import checkpoints, ranks


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four whole checkpoints of a run called mine."""
    write_json(tmp_path / "run.json", "mine")
    for step in (8, 9, 10, 11):
        checkpoint = tmp_path / f"checkpoint-{step}"
        (checkpoint / "global").mkdir(parents=True)
        (checkpoint / "weights").write_bytes(b"w" * step)
        (checkpoint / "global" / "rank0").write_bytes(b"r" * step)
        checkpoints.mark_whole(checkpoint, seconds=10.0 * step)
    return tmp_path


def steps(folder: Path) -> list[int]:
    return [checkpoints.step_of(path) for path in checkpoints.list_checkpoints(folder)]


def test_the_newest_whole_checkpoint_is_resumed_and_torn_ones_are_removed(folder):
    assert checkpoints.find_resumable(folder, "mine").name == "checkpoint-11"
    (folder / "checkpoint-11" / checkpoints.WHOLE).unlink()  # killed before it was done
    os.truncate(folder / "checkpoint-10" / "global" / "rank0", 3)  # lost when the node died
    assert checkpoints.find_resumable(folder, "mine").name == "checkpoint-9"
    assert steps(folder) == [8, 9]


def test_a_whole_checkpoint_knows_the_seconds_that_led_to_it(folder):
    assert checkpoints.seconds_of(checkpoints.find_resumable(folder, "mine")) == 110.0


def test_a_checkpoint_without_its_seconds_is_not_resumed(folder):
    unaware = folder / "checkpoint-11"
    write_json(unaware / checkpoints.WHOLE, checkpoints.file_sizes(unaware))
    assert checkpoints.find_resumable(folder, "mine").name == "checkpoint-10"


def test_checkpoints_of_another_run_are_removed(folder):
    assert checkpoints.find_resumable(folder, "another") is None
    assert steps(folder) == []
    assert checkpoints.find_resumable(folder, "another") is None


@pytest.mark.parametrize(("best", "left"), [(None, [10, 11]), (8, [8, 10, 11]), (10, [10, 11])])
def test_the_two_newest_checkpoints_and_the_best_are_kept(folder, best, left):
    checkpoints.prune(folder, best and str(folder / f"checkpoint-{best}"))
    assert steps(folder) == left


def test_only_the_first_rank_looks_at_a_folder_that_may_be_half_removed(folder, monkeypatch):
    monkeypatch.setattr(ranks, "RANK", 1)
    monkeypatch.setattr(ranks, "broadcast", lambda value: value)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "list_checkpoints", lambda _: pytest.fail("it looked"))
        assert checkpoints.find_resumable(folder, "another") is None
    assert steps(folder) == [8, 9, 10, 11]
