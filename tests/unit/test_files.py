"""Files appear whole or not at all, and an error about a broken one names its line."""

import errno
import os
import subprocess
import sys
import time

import pytest

from basics.errors import InputError
from basics.hashing import sha256
from basics.reading import read_jsonl
from basics.writing import beside, write_json, write_jsonl, write_text
from tiny import SCRIPTS


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"id": 1}])

    def torn_rows():
        yield {"id": 2}
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        write_jsonl(path, torn_rows())
    assert read_jsonl(path) == [{"id": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_replaces_the_one_before_it(tmp_path):
    for name in ("first", "second"):
        with beside(tmp_path / "model") as folder:
            folder.mkdir()
            write_text(folder / name, name)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["second"]


def test_line_separators_inside_a_string_do_not_end_a_row(tmp_path):
    rows = [{"text": "one\u2028two\u0085three\r\nfour"}, {"text": "next"}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert read_jsonl(tmp_path / "rows.jsonl", fields=["text"]) == rows


def test_windows_line_ends_are_read(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"id": 1}\r\n{"id": 2}\r\n')
    assert read_jsonl(tmp_path / "rows.jsonl") == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"id": 1}\n{"id": \n', "line 2: not valid JSON"),
        (b'{"id": 1}\n[1]\n', "line 2: expected a JSON object, found list"),
        (b'{"id": 1}\n{"di": 2}\n', "line 2: the field 'id' is missing"),
        (b'{"id": "\xff"}\n', "line 1: not UTF-8"),
    ],
)
def test_a_broken_line_is_named(content, expected, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"rows\.jsonl") as raised:
        read_jsonl(path, fields=["id"])
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_equal_values_give_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    write_json(tmp_path / "b.json", {"a": "é", "b": 1})
    assert sha256(tmp_path / "a.json") == sha256(tmp_path / "b.json")


def test_what_is_written_can_be_read_by_everyone_whom_the_umask_allows(tmp_path):
    """Even where a library has created a file for its owner alone, as safetensors does."""
    umask = os.umask(0o027)
    try:
        with beside(tmp_path / "model") as folder:
            folder.mkdir()
            (folder / "weights").touch(mode=0o600)
            (folder / "program").touch(mode=0o700)
        with beside(tmp_path / "file") as written:
            written.touch(mode=0o600)
    finally:
        os.umask(umask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (*(tmp_path / "model").iterdir(), tmp_path / "file")}
    assert modes == {"weights": 0o640, "program": 0o740, "file": 0o640}


def test_what_a_killed_process_left_is_removed_but_not_what_a_running_one_writes(tmp_path):
    left = tmp_path / ".model.abcd_123"
    left.mkdir()
    (left / "weights").touch()
    with beside(tmp_path / "model") as folder:
        folder.mkdir()
        assert not left.exists()
        with beside(tmp_path / "model") as other:
            other.mkdir()
        assert folder.exists()
    (tmp_path / ".model.json.abcd_123").mkdir()  # belongs to another output
    with beside(tmp_path / "model") as folder:
        folder.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".model.json.abcd_123", "model"]


WRITER = """
import sys, time
from basics.command_line import command_line
def main():
    print(f"{sys.argv[1]} began", file=sys.stderr, flush=True)
    time.sleep(float(sys.argv[2]))
    print(f"{sys.argv[1]} ended", file=sys.stderr, flush=True)
command_line(main)
"""


def test_a_job_waits_for_the_one_that_writes_the_same_log(tmp_path):
    """As after a kill of Snakemake, whose jobs keep running; children of such a job count as well."""

    def start(name: str, seconds: float) -> subprocess.Popen:
        with (tmp_path / "log").open("w") as log:
            return subprocess.Popen([sys.executable, "-c", WRITER, name, str(seconds)], cwd=SCRIPTS, stderr=log)

    first = start("first", 2)
    while "first began" not in (tmp_path / "log").read_text():
        time.sleep(0.01)
    second = start("second", 0)
    assert second.wait(20) == 0 and first.poll() == 0
    said = (tmp_path / "log").read_text().splitlines()
    assert said == [
        "waited for the same job of an earlier run, which was still running",
        "second began",
        "second ended",
    ]


def test_a_full_disk_is_the_same_error_whichever_library_meets_it(tmp_path):
    with pytest.raises(OSError, match="No space left") as told, beside(tmp_path / "table.parquet"):
        raise ValueError("parquet: underlying IO error: No space left on device (os error 28)")
    assert told.value.errno == errno.ENOSPC and told.value.filename == str(tmp_path / "table.parquet")
