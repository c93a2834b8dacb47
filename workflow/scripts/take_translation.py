"""Take a translation of the seed from a file, published or your own, instead of translating the seed here.

--input is a JSON list (.json) or JSON lines (any other name) of objects with instruction, input (may be absent) and
output, like the seed; other keys are ignored. It must have as many rows as the seed. If its rows have ids, they must be
the seed's, in the same order; if none has, rows are matched by position.

If the seed is a sample (`data.rows`), --sampled-from is the data that it was drawn from. The file may then translate
all of that data, which is what published translations do, and the rows of the sample are taken from it.

A file with another number of rows, with other ids, or with something that is not text is refused, since its rows cannot
be matched reliably. A file with an odd row (such as a field that is empty only in the translation) is accepted, and
flag_translation.py flags the row.
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


def check_row_count(rows: Sequence[Any], path: Path, ids: Sequence[object], seed: Path) -> None:
    """Raise InputError unless there are as many rows as in the seed."""
    if len(rows) != len(ids):
        raise InputError(
            f"{path}: {len(rows):,} rows, but {seed} has {len(ids):,}; give one translation per row, in the same order"
        )


def take_rows(rows: Sequence[Any], path: Path, ids: Sequence[object], seed: Path) -> Iterator[dict]:
    """Yield the rows under the seed's ids. Raises InputError naming the first row whose id or texts do not match."""
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
                f"{place}: id {row['id']!r} where {seed} has {wanted!r}; keep the ids and order of the seed, or leave"
                " the ids out"
            )
        yield {"id": wanted, **texts, "flags": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", required=True, type=Path, help="JSON lines of id, instruction, input, output")
    parser.add_argument("--sampled-from", type=Path, help="the instruction data that --seed is a sample of")
    parser.add_argument("--input", required=True, type=Path, help="the translation, JSON list or JSON lines")
    parser.add_argument(
        "--output", required=True, type=Path, help="JSON lines of id, instruction, input, output, flags"
    )
    arguments = parser.parse_args()

    ids = [row["id"] for row in iter_jsonl(arguments.seed, fields=("id",))]
    rows, translated, translated_ids = read_rows(arguments.input), arguments.seed, ids
    if arguments.sampled_from and len(rows) != len(ids):
        translated = arguments.sampled_from
        translated_ids = list(range(len(read_rows(translated))))
    check_row_count(rows, arguments.input, translated_ids, translated)
    sample = set(map(repr, ids))  # as `take_rows` compares them
    taken = [row for row in take_rows(rows, arguments.input, translated_ids, translated) if repr(row["id"]) in sample]
    write_jsonl(arguments.output, taken)
    print(f"{arguments.output}: {len(taken):,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
