"""Test prompts are read and their defects named, those in the authors' own files included."""

import subprocess
import sys
from pathlib import Path

import pytest

from basics.errors import InputError
from basics.reading import read_jsonl
from data.prompts import check_prompts
from real_prompts import AUTHORS, real_prompts
from tiny import SCRIPTS


def test_prompts_keep_their_ids_and_order():
    rows = [{"id": "b", "prompt": "Hi\r\n", "note": 1}, {"id": "a", "prompt": "Ho"}]
    assert check_prompts(rows, Path("p"), 2) == [{"id": "b", "prompt": "Hi\r\n"}, {"id": "a", "prompt": "Ho"}]


@real_prompts
@pytest.mark.parametrize("lang", ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"])
def test_the_authors_have_fifty_prompts_per_language(lang):
    path = AUTHORS / f"test_{lang}.jsonl"
    assert len(check_prompts(read_jsonl(path, fields=("id", "prompt")), path, 50)) == 50


@real_prompts
def test_the_broken_line_of_the_authors_hindi_file_is_named():
    with pytest.raises(InputError, match=r"test_hi.jsonl, line 50: not valid JSON"):
        read_jsonl(AUTHORS / "test_hi.jsonl", fields=("id", "prompt"))


@real_prompts
def test_a_file_with_49_prompts_is_reported():
    path = AUTHORS / "test_en.jsonl"
    with pytest.raises(InputError, match=r"test_en.jsonl: 49 prompts, expected 50; correct the file or data"):
        check_prompts(read_jsonl(path)[1:], path, 50)


def run(*options):
    command = [sys.executable, str(SCRIPTS / "prompts.py"), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True)


@real_prompts
def test_there_is_a_warning_about_the_one_id_that_differs_among_the_authors_languages(tmp_path):
    warned = {}
    for path in sorted(set(AUTHORS.glob("test_*.jsonl")) - {AUTHORS / "test_hi.jsonl"}):
        options = ("--input", path, "--expected", 50, "--reference", AUTHORS / "test_en.jsonl")
        done = run(*options, "--output", tmp_path / path.name)
        assert (done.returncode, len(read_jsonl(tmp_path / path.name))) == (0, 50)
        warned[path.name] = [line for line in done.stderr.splitlines() if line.startswith("warning:")]
    (warning,) = warned.pop("test_zh.jsonl")
    assert "test_zh.jsonl, prompt 13: the id is bed57788-833a-46e3-bffd-0b271333c391, but f2f5d948-" in warning
    assert set(map(tuple, warned.values())) == {()}


def test_ids_that_are_equal_as_text_are_equal():
    rows = [{"id": 1, "prompt": "Why?"}, {"id": "1", "prompt": "How?"}]
    with pytest.raises(InputError, match="prompt 2: the id '1' occurs twice"):
        check_prompts(rows, Path("en.jsonl"), 2)


@real_prompts
def test_windows_line_ends_make_no_difference(tmp_path):
    path = AUTHORS / "test_es.jsonl"
    lines = path.read_bytes().replace(b"\r\n", b"\n").splitlines()
    for name, end in (("unix", b"\n"), ("windows", b"\r\n")):
        (tmp_path / name).write_bytes(end.join(lines))
        assert run("--input", tmp_path / name, "--expected", 50, "--output", tmp_path / f"{name}.jsonl").returncode == 0
    assert (tmp_path / "unix.jsonl").read_bytes() == (tmp_path / "windows.jsonl").read_bytes()


def test_only_the_first_prompts_are_kept_on_request(tmp_path):
    prompts = [f'{{"id": "{number}", "prompt": "Why {number}?"}}\n' for number in range(5)]
    (tmp_path / "en.jsonl").write_text("".join(prompts))
    options = ("--input", tmp_path / "en.jsonl", "--expected", 5, "--output", tmp_path / "used.jsonl")
    assert run(*options, "--use", 2).returncode == 0
    assert [row["id"] for row in read_jsonl(tmp_path / "used.jsonl")] == ["0", "1"]
