"""A journal keeps what was done through any kill, and never returns a torn entry."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from basics.hashing import item_key
from basics.journal import Journal
from basics.locking import hold_for_ranks
from full_disk import files_up_to

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def test_entries_survive_the_process(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal["a"] = {"text": "naïve\n"}
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert "a" in journal
        assert journal["a"] == {"text": "naïve\n"}
        assert len(journal) == 1


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_torn_last_line_is_dropped_and_written_again(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal["a"] = 1
        whole = path.read_bytes()
        journal["b"] = {"text": "12345678"}
    complete = path.read_bytes()
    path.write_bytes(complete[:-cut] if len(complete) - cut > len(whole) else whole)
    with Journal(path) as journal:
        assert "a" in journal
        assert "b" not in journal
        journal["b"] = {"text": "12345678"}
    assert path.read_bytes() == complete


def test_a_key_depends_on_every_determinant_and_not_on_their_order():
    key = item_key(model="m", text="t")
    assert key == item_key(text="t", model="m")
    assert key != item_key(model="m", text="u")
    assert key != item_key(model="m", texts="t")


def test_a_damaged_line_costs_only_its_own_entry(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for key in "abc":
            journal[key] = f"value of {key}"
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"b'))
    with Journal(path) as journal:
        assert [key in journal for key in "abc"] == [True, False, True]
        journal["b"] = "again"
    with Journal(path) as journal:
        assert [journal[key] for key in "abc"] == ["value of a", "again", "value of c"]


def test_a_full_disk_is_named_and_what_was_written_before_stays(tmp_path):
    """In a process that may write files of at most 100 bytes."""
    path = tmp_path / "journal.jsonl"
    script = f"""
from basics.journal import Journal
with Journal({str(path)!r}) as journal:
    for number in range(9):
        journal[str(number)] = "0123456789"
"""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS, preexec_fn=files_up_to(100))
    assert f"InputError: {path}: cannot write (File too large)" in ended.stderr
    with Journal(path) as journal:
        assert len(journal) == 2
    assert path.stat().st_size < 100


def test_a_second_writer_waits_for_the_first_and_finds_what_it_paid_for(tmp_path):
    path = tmp_path / "journal.jsonl"
    second = (
        "import sys; from basics.journal import Journal;"
        " journal = Journal(sys.argv[1]); print(journal['a'], journal['b'])"
    )
    with Journal(path) as journal:
        journal["a"] = 1
        process = subprocess.Popen(
            [sys.executable, "-c", second, str(path)],
            cwd=SCRIPTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr.readline() == f"{path}: another job is writing it; waiting until it ends\n"
        journal["b"] = 2
    assert process.communicate()[0] == "1 2\n"


def test_the_ranks_of_one_program_hold_a_lock_together_and_those_of_another_wait(tmp_path):
    path = tmp_path / "run.lock"
    lock, waited = hold_for_ranks(path, "first start", first=True)
    assert hold_for_ranks(path, "first start", first=False)[1] is waited is False
    command = "import sys; from pathlib import Path; from basics.locking import hold_for_ranks;"
    command += "print(hold_for_ranks(Path(sys.argv[1]), 'second start', sys.argv[2] == '0')[1], flush=True)"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", command, str(path), str(rank)], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True
        )
        for rank in (1, 0)
    ]
    time.sleep(0.5)
    assert [rank.poll() for rank in ranks] == [None, None]
    lock.close()
    assert [rank.communicate(timeout=30)[0] for rank in ranks] == ["False\n", "True\n"]


def test_threads_share_the_wait_for_a_slow_disk_and_none_goes_on_before_its_entry_is_there(tmp_path, monkeypatch):
    synced = []

    def sync_slowly(file: int) -> None:
        length = os.fstat(file).st_size
        time.sleep(0.02)
        synced.append(length)

    monkeypatch.setattr(os, "fsync", sync_slowly)
    too_early = []

    def add(thread: int) -> None:
        for number in range(5):
            key = f"{thread}-{number}"
            journal[key] = "x" * 100
            start, length = journal._positions[key]
            too_early.extend([key] * (max(synced, default=0) < start + length))

    with Journal(tmp_path / "journal.jsonl") as journal:
        threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not too_early
    assert len(synced) <= 20, "of a hundred entries"
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert len(journal) == 100
