"""Bring instruction data into one form: JSON lines of id, instruction, input, output.

Reads the Alpaca form, a JSON list or JSON lines of objects with instruction, input (may be absent) and output.
The id is the row's number in the source, counted from 0, and stays with the row through translation and sampling.
"""

import argparse
import sys
from pathlib import Path

from files import InputError, command_line, read_json, read_jsonl, text_fault, write_jsonl

FIELDS = ("instruction", "input", "output")


def read_rows(path: Path) -> list[dict]:
    """Read a JSON list (.json) or JSON lines (any other name). Raises InputError naming file and place."""
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
            raise InputError(f"{place}: the field {field!r} {fault}; mend it, or leave it empty")
    return {field: texts[field] for field in FIELDS}


def normalise(rows: list[dict], path: Path) -> list[dict]:
    """Give each row its id and the three text fields. Raises InputError naming the row that lacks one."""
    normal = []
    for number, row in enumerate(rows):
        texts = texts_of(row, f"{path}, row {number}")
        if not texts["instruction"].strip():
            raise InputError(f"{path}, row {number}: the field 'instruction' is empty; write one, or remove the row")
        normal.append({"id": number} | texts)
    if not normal:
        raise InputError(f"{path}: no rows; give one at least")
    return normal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    rows = normalise(read_rows(arguments.input), arguments.input)
    write_jsonl(arguments.output, rows)
    print(f"{arguments.output}: {len(rows):,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
