"""Instruction data in Alpaca form becomes rows with ids."""

import json

import pytest

from basics.errors import InputError
from data.rows import normalise, read_rows


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
