"""Put the seed's rows together again from their translated segments: same ids, same order, same count.

A row one of whose sentences had to be translated around what it lost (translate_shard.py) has the flag `pieced`.
"""

import argparse
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, zip_longest
from pathlib import Path

from files import InputError, command_line, iter_jsonl, write_jsonl
from seed import FIELDS
from segment import iter_rows
from structure import cut


def iter_translations(segments: Path, shards: list[Path]) -> Iterator[tuple[str, str, bool]]:
    """Yield (segment, translation, pieced) for every segment.

    Raises InputError naming the shard when the shards, one after another, are not the translation of the segments.
    """
    remedy = "remove that file and translate its shard again"
    answers = chain.from_iterable(((path, row) for row in iter_jsonl(path)) for path in shards)
    for request, answered in zip_longest(iter_jsonl(segments), answers):
        place, answer = answered or (shards[-1], {})
        if request is None or answer.get("chunk") != request["chunk"]:
            wanted = f"chunk {request['chunk']}" if request else "its end"
            found = f"chunk {answer['chunk']}" if answer else "the end"
            raise InputError(f"{place}: {found} stands where {segments} has {wanted}; {remedy}")
        pairs = list(zip_longest(request["segments"], answer["translations"]))
        if any(None in pair for pair in pairs):
            raise InputError(
                f"{place}: chunk {answer['chunk']} has {len(answer['translations'])} translations,"
                f" {segments} has {len(request['segments'])} segments; {remedy}"
            )
        for position, (segment, translation) in enumerate(pairs):
            yield segment, translation, position in answer["pieced"]


def translated(row: dict, database: sqlite3.Connection) -> dict:
    """A row with its segments replaced by their translations."""
    pieced = False

    def translation(segment: str) -> str:
        nonlocal pieced
        found, was_pieced = database.execute(
            "SELECT translation, pieced FROM translations WHERE segment = ?", (segment,)
        ).fetchone() or (None, None)
        if found is None:
            raise InputError(f"row {row['id']}: {segment[:60]!r} has no translation; make the segments again")
        pieced |= bool(was_pieced)
        return found

    texts = {
        field: "".join(translation(piece.text) if piece.prose else piece.text for piece in cut(row[field]))
        for field in FIELDS
    }
    return {"id": row["id"], **texts, "flags": ["pieced"] if pieced else []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=Path, required=True, help="the rows that were translated")
    parser.add_argument("--segments", type=Path, required=True, help="their segments (segment.py)")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="translated shards, in order")
    parser.add_argument(
        "--output", type=Path, required=True, help="JSON lines of id, instruction, input, output, flags"
    )
    arguments = parser.parse_args()

    count = 0

    def rows(database: sqlite3.Connection) -> Iterator[dict]:
        nonlocal count
        for row in iter_rows(arguments.seed):
            count += 1
            yield translated(row, database)

    # SQLite's private, temporary database is on the disk: memory does not grow with the rows.
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE translations (segment TEXT PRIMARY KEY, translation TEXT, pieced) WITHOUT ROWID")
        database.executemany(
            "INSERT INTO translations VALUES (?, ?, ?)", iter_translations(arguments.segments, arguments.shards)
        )
        write_jsonl(arguments.output, rows(database))
    print(f"{arguments.output}: {count:,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
