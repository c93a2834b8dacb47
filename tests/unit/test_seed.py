"""Instruction data in Alpaca form becomes rows with ids."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from basics.errors import InputError
from basics.reading import read_jsonl
from data.rows import normalise, read_rows

SCRIPT = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "seed.py"


def seed(folder, *options):
    """Run the program on 100 rows. Returns the rows it wrote, or its error."""
    rows = [{"instruction": f"Count to {n}.", "output": str(n)} for n in range(100)]
    (folder / "source.json").write_text(json.dumps(rows))
    command = [sys.executable, SCRIPT, "--input", folder / "source.json", "--output", folder / "seed.jsonl", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr if done.returncode else read_jsonl(folder / "seed.jsonl")


def test_ids_are_row_numbers_and_a_missing_input_is_empty(tmp_path):
    path = tmp_path / "alpaca.json"
    path.write_text(
        json.dumps([{"instruction": "Add.", "input": "1 2", "output": "3"}, {"instruction": "Hi", "output": ""}])
    )
    assert normalise(read_rows(path), path) == [
        {"id": 0, "instruction": "Add.", "input": "1 2", "output": "3"},
        {"id": 1, "instruction": "Hi", "input": "", "output": ""},
    ]


def test_a_json_list_and_json_lines_give_the_same_rows(tmp_path):
    rows = [{"instruction": f"Count to {n}.", "input": "", "output": str(n)} for n in range(5)]
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_rows(tmp_path / "list.json") == read_rows(tmp_path / "lines.jsonl")


def test_a_row_without_an_instruction_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(InputError, match="row 1: the field 'instruction' is empty"):
        normalise([{"instruction": "a", "output": "b"}, {"instruction": "", "output": "b"}], path)


@pytest.mark.parametrize(
    ("output", "named"),
    [
        (None, "row 0: the field 'output' is missing or is not text"),
        ("\ud83d", "line 1: the field 'output' contains an unpaired surrogate"),
    ],
)
def test_a_row_with_something_that_cannot_be_written_as_text_is_named(tmp_path, output, named):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "a", "output": output}))
    with pytest.raises(InputError, match=named):
        normalise(read_rows(path), path)


def test_a_sample_keeps_its_ids_and_the_order_of_the_source(tmp_path):
    rows = seed(tmp_path, "--rows", "10", "--random-seed", "42")
    ids = [row["id"] for row in rows]
    assert len(ids) == 10 and ids == sorted(ids) and ids != list(range(10))
    assert [row["output"] for row in rows] == [str(id) for id in ids]


def test_a_sample_depends_on_the_random_seed_alone(tmp_path):
    first, again, other = (seed(tmp_path, "--rows", "10", "--random-seed", value) for value in ("1", "1", "2"))
    assert first == again != other


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--rows", "101", "--random-seed", "1"], "source.json: 100 rows, but data.rows asks for 101; ask for fewer"),
        (["--rows", "10"], "--rows: a sample needs a --random-seed"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_refused_in_one_line(tmp_path, options, line):
    error = seed(tmp_path, *options)
    assert error.startswith("error: ") and error.count("\n") == 1 and line in error
    assert not (tmp_path / "seed.jsonl").exists()
