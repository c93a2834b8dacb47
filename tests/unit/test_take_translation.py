"""Translations from elsewhere become the seed's rows, or are refused where it is unclear which row is which."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from basics.reading import read_jsonl
from basics.writing import write_jsonl

SCRIPT = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "take_translation.py"

SEED = [{"id": n, "instruction": f"Count to {n}.", "input": "", "output": str(n)} for n in range(4)]
SPANISH = [{"instruction": f"Cuenta hasta {n}.", "input": "", "output": str(n)} for n in range(4)]
WITH_IDS = [{"id": n} | row for n, row in enumerate(SPANISH)]


def run(folder, content, name="es.jsonl"):
    """Take a file. Returns the error line, or the rows."""
    write_jsonl(folder / "seed.jsonl", SEED)
    path, output = folder / name, folder / "rows.jsonl"
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(content), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    command = [sys.executable, SCRIPT, "--seed", folder / "seed.jsonl", "--input", path, "--output", output]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        assert not output.exists()
        return done.stderr
    return read_jsonl(output)


@pytest.mark.parametrize("name", ["es.jsonl", "es.json"])
@pytest.mark.parametrize("content", [SPANISH, WITH_IDS], ids=["by position", "by id"])
def test_rows_get_the_ids_of_the_seed(tmp_path, name, content):
    assert run(tmp_path, content, name) == [row | {"flags": []} for row in WITH_IDS]


def test_a_missing_input_is_empty_and_other_keys_are_ignored(tmp_path):
    rows = [{"output": row["output"], "instruction": row["instruction"], "score": 1, "flags": "x"} for row in SPANISH]
    assert run(tmp_path, rows) == [row | {"flags": []} for row in WITH_IDS]


def test_an_odd_row_is_taken_as_it_is(tmp_path):
    rows = [SPANISH[0] | {"output": ""}, SPANISH[1] | {"instruction": " "}, SPANISH[2] | {"input": "x"}, SPANISH[3]]
    assert [{**row, "id": 0} for row in run(tmp_path, rows)] == [{"id": 0, **row, "flags": []} for row in rows]


BAD = {
    "a row too few": (SPANISH[:-1], "es.jsonl: 3 rows, but ", "seed.jsonl has 4; give one translation per row"),
    "a row too many": ([*SPANISH, SPANISH[0]], "es.jsonl: 5 rows, but ", "has 4"),
    "no rows": ([], "es.jsonl: 0 rows, but ", "has 4"),
    "ids in another order": (
        [WITH_IDS[n] for n in (0, 2, 1, 3)],
        "row 1: id 2 where ",
        "has 1; keep the ids and order of the seed",
    ),
    "ids of another type": ([row | {"id": str(row["id"])} for row in WITH_IDS], "row 0: id '0' where ", "has 0"),
    "ids in some rows": ([*WITH_IDS[:3], SPANISH[3]], "row 3: lacks an id, unlike row 0", "give all rows one, or none"),
    "ids in later rows": ([*SPANISH[:3], WITH_IDS[3]], "row 3: has an id, unlike row 0", "give all rows one, or none"),
    "a missing field": ([{"instruction": "x"}, *SPANISH[1:]], "row 0: the field 'output' is missing", "leave it empty"),
    "a number for text": ([*SPANISH[:3], SPANISH[3] | {"output": 3}], "row 3: the field 'output'", "is not text"),
    "no object": ([*SPANISH[:3], "text"], "es.json, row 3: expected an object, found str", "give instruction"),
    "half a surrogate pair": (
        [SPANISH[0] | {"output": "\ud83d"}, *SPANISH[1:]],
        "line 1: the field 'output' contains an unpaired",
        "correct",
    ),
    "no list": ({"rows": SPANISH}, "es.json: expected a JSON list of rows", "found dict"),
    "a torn line": ('{"instruction": "x"', "es.jsonl, line 1: not valid JSON", ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_matched_with_the_seed_is_refused_in_one_line(tmp_path, kind):
    content, place, remedy = BAD[kind]
    errors = run(tmp_path, content, "es.json" if kind in ("no object", "no list") else "es.jsonl")
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert place in errors and remedy in errors


def take_sample(folder, translation):
    """Take rows 1 and 3, of four, from a file. Returns the rows, or the error line."""
    write_jsonl(folder / "whole.jsonl", SEED)
    write_jsonl(folder / "seed.jsonl", [SEED[1], SEED[3]])
    write_jsonl(folder / "es.jsonl", translation)
    command = [sys.executable, SCRIPT, "--seed", folder / "seed.jsonl", "--sampled-from", folder / "whole.jsonl"]
    command += ["--input", folder / "es.jsonl", "--output", folder / "rows.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr if done.returncode else read_jsonl(folder / "rows.jsonl")


@pytest.mark.parametrize(
    "translation",
    [SPANISH, WITH_IDS, [SPANISH[1], SPANISH[3]], [WITH_IDS[1], WITH_IDS[3]]],
    ids=["of all rows by position", "of all rows by id", "of the sample by position", "of the sample by id"],
)
def test_the_translation_of_a_sample_has_its_ids(tmp_path, translation):
    assert take_sample(tmp_path, translation) == [WITH_IDS[n] | {"flags": []} for n in (1, 3)]


@pytest.mark.parametrize(
    ("translation", "fault"),
    [
        (SPANISH[:3], "es.jsonl: 3 rows, but "),
        ([WITH_IDS[n] for n in (0, 2, 1, 3)], "row 1: id 2 where "),
        ([WITH_IDS[n] for n in (0, 1)], "row 0: id 0 where "),
    ],
)
def test_a_file_that_translates_neither_the_sample_nor_the_whole_is_refused(tmp_path, translation, fault):
    error = take_sample(tmp_path, translation)
    assert error.startswith("error: ") and error.count("\n") == 1 and fault in error
