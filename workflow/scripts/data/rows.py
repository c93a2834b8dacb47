"""Rows of instruction data: instruction, input, output."""

import random
from pathlib import Path

from basics.errors import InputError
from basics.kinds import text_fault
from basics.reading import read_json, read_jsonl

FIELDS = ("instruction", "input", "output")


def read_rows(path: Path) -> list[dict]:
    """Read a JSON list (.json) or JSON lines (any other name). Raises InputError naming the file and place."""
    if path.suffix == ".json":
        rows = read_json(path)
        if not isinstance(rows, list):
            raise InputError(f"{path}: expected a JSON list of rows, found {type(rows).__name__}; give one")
        return rows
    return read_jsonl(path)


def texts_of(row: object, place: str) -> dict[str, str]:
    """The text fields of a row. Raises InputError naming the place and the field that is missing or is not text."""
    if not isinstance(row, dict):
        raise InputError(f"{place}: expected an object, found {type(row).__name__}; give instruction, input, output")
    texts = {"input": "", **row}
    for field in FIELDS:
        if fault := text_fault(texts.get(field)):
            raise InputError(f"{place}: the field {field!r} {fault}; correct it, or leave it empty")
    return {field: texts[field] for field in FIELDS}


def normalise(rows: list[dict], path: Path) -> list[dict]:
    """Give each row its id and the three text fields. Raises InputError naming the row at fault."""
    normal = []
    for number, row in enumerate(rows):
        texts = texts_of(row, f"{path}, row {number}")
        if not texts["instruction"].strip():
            raise InputError(f"{path}, row {number}: the field 'instruction' is empty; write one, or remove the row")
        normal.append({"id": number} | texts)
    if not normal:
        raise InputError(f"{path}: no rows; give at least one")
    return normal


def check_sample(count: int | str, rows: int, path: Path) -> None:
    """Raise InputError if a sample of `count` rows (a number, or all) is larger than the data."""
    if isinstance(count, int) and count > rows:
        raise InputError(f"{path}: {rows:,} rows, but data.rows asks for {count:,}; ask for fewer, or for all")


def sample_rows(rows: list[dict], count: int, random_seed: int) -> list[dict]:
    """A random sample of `count` rows, in their order. Which ones depends only on the seed and on len(rows)."""
    kept = sorted(random.Random(f"sample {random_seed}").sample(range(len(rows)), count))
    return [rows[place] for place in kept]
