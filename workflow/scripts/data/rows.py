"""Rows of instruction data: instruction, input, output."""

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
