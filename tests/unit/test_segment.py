"""Requests: every distinct segment once, in the chunk of the row ids that first have it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from basics.errors import InputError
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from segment import make_requests
from translating.requests import iter_rows

SCRIPT = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "segment.py"


def row(number: int, instruction: str = "", output: str = "") -> dict:
    return {"id": number, "instruction": instruction, "input": "", "output": output}


def test_a_segment_belongs_to_the_first_chunk_that_has_it_and_to_no_other():
    rows = [row(0, "One dog", "Two cats\nOne dog"), row(1, "Two cats", "One cow"), row(2, "One cow", "One bee")]
    assert list(make_requests(rows, chunk_rows=1)) == [
        {"chunk": 0, "segments": ["One dog", "Two cats"]},
        {"chunk": 1, "segments": ["One cow"]},
        {"chunk": 2, "segments": ["One bee"]},
    ]


def test_chunks_are_counted_from_id_0_whatever_rows_there_are():
    """So that rows left out of the seed do not move the others into another request."""
    rows = [row(number, f"Row {'abcdefgh'[number]}b") for number in range(8)]
    whole = list(make_requests(rows, chunk_rows=4))
    assert [request["chunk"] for request in whole] == [0, 1]
    assert list(make_requests(rows[4:], chunk_rows=4)) == whole[1:]


def test_a_chunk_without_anything_new_makes_no_request():
    assert [request["chunk"] for request in make_requests([row(0, "Hello"), row(1, "Hello\n42")], chunk_rows=1)] == [0]


def test_the_program_writes_one_request_per_line(tmp_path):
    write_jsonl(tmp_path / "seed.jsonl", [row(0, "A dog", "```\ncode\n```"), row(130, "A dog", "- It barks.")])
    command = [sys.executable, SCRIPT, "--seed", tmp_path / "seed.jsonl", "--output", tmp_path / "segments.jsonl"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert read_jsonl(tmp_path / "segments.jsonl") == [
        {"chunk": 0, "segments": ["A dog"]},
        {"chunk": 1, "segments": ["It barks."]},
    ]
    assert "2 requests, 2 segments, 4 words" in result.stderr


@pytest.mark.parametrize(
    ("second", "named"),
    [
        ({"id": 1, "instruction": "a", "output": "b"}, "line 2: the field 'input' is missing"),
        (row(0), "the id 0 follows 0"),
        (row(-1), "the id -1 follows 0"),
        (row("1"), "the id '1' follows 0"),
        ({**row(1), "input": None}, "id 1: the field 'input' is missing or is not text"),
        ({**row(1), "input": "\ud800"}, "line 2: the field 'input' contains an unpaired surrogate"),
    ],
)
def test_a_bad_row_is_named(tmp_path, second, named):
    path = tmp_path / "seed.jsonl"
    path.write_text(f"{json.dumps(row(0))}\n{json.dumps(second)}\n")
    with pytest.raises(InputError, match=named) as error:
        list(iter_rows(path))
    assert str(path) in str(error.value)
