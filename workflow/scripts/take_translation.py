"""Take a translation of the seed from a file, published or your own, in place of translating it here.

--input is a JSON list (.json) or JSON lines (any other name) of objects with instruction, input (may be absent) and
output, as the seed is; other keys are passed over. It must have as many rows as the seed. Where its rows have an id,
these must be the seed's, in its order; where none has, rows are matched by their position.

A file of another length, with other ids, or with something that is not text is refused: nobody can tell which rows
belong together. One that is odd in a row (a field is empty that is not so in the seed) is taken, and the row
flagged by flag_translation.py.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import iter_jsonl
from basics.writing import write_jsonl
from data.rows import read_rows, texts_of


def check_counts(rows: Sequence[Any], path: Path, ids: Sequence[object], seed: Path) -> None:
    """Raise InputError when there are more or fewer rows than in the seed."""
    if len(rows) != len(ids):
        raise InputError(
            f"{path}: {len(rows):,} rows, and {seed} has {len(ids):,}; give a translation of every row, in its order"
        )


def take(rows: Sequence[Any], path: Path, ids: Sequence[object], seed: Path) -> Iterator[dict]:
    """Yield the rows under the seed's ids. Raises InputError naming the first row whose id or texts do not fit."""
    with_ids = bool(rows) and isinstance(rows[0], dict) and "id" in rows[0]
    for number, (row, wanted) in enumerate(zip(rows, ids, strict=True)):
        place = f"{path}, row {number}"
        texts = texts_of(row, place)
        if ("id" in row) != with_ids:
            raise InputError(
                f"{place}: {'lacks' if with_ids else 'has'} an id, unlike row 0; give all rows one, or none"
            )
        if with_ids and repr(row["id"]) != repr(wanted):  # repr: 7, "7" and 7.0 are different ids
            raise InputError(
                f"{place}: id {row['id']!r} stands where {seed} has {wanted!r}; keep the seed's ids and order, or leave"
                " the ids out"
            )
        yield {"id": wanted, **texts, "flags": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", required=True, type=Path, help="JSON lines of id, instruction, input, output")
    parser.add_argument("--input", required=True, type=Path, help="its translation, JSON list or JSON lines")
    parser.add_argument(
        "--output", required=True, type=Path, help="JSON lines of id, instruction, input, output, flags"
    )
    arguments = parser.parse_args()

    ids = [row["id"] for row in iter_jsonl(arguments.seed, fields=("id",))]
    rows = read_rows(arguments.input)
    check_counts(rows, arguments.input, ids, arguments.seed)
    write_jsonl(arguments.output, take(rows, arguments.input, ids, arguments.seed))
    print(f"{arguments.output}: {len(rows):,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
