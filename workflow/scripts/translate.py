"""Reassemble the seed's rows from their translated segments: the same ids in the same order.

A row gets the flag `pieced` if one of its sentences had to be translated around something it lost (translate_shard.py).
"""

import argparse
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, zip_longest
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import iter_jsonl
from basics.writing import write_jsonl
from data.rows import FIELDS
from translating.requests import REQUEST, iter_rows
from translating.structure import rebuild

TRANSLATED = {"chunk": int, "translations": list[str], "pieced": list[int]}


def iter_translations(segments: Path, shards: list[Path]) -> Iterator[tuple[str, str, bool]]:
    """Yield (segment, translation, pieced) for every segment.

    Raises InputError naming the shard at which the concatenated shards are not the translation of the segments.
    """
    remedy = "remove that file and translate its shard again"
    answers = chain.from_iterable(((path, row) for row in iter_jsonl(path, fields=TRANSLATED)) for path in shards)
    for request, answered in zip_longest(iter_jsonl(segments, fields=REQUEST), answers):
        place, answer = answered or (shards[-1], {})
        if request is None or answer.get("chunk") != request["chunk"]:
            wanted = f"chunk {request['chunk']}" if request else "its end"
            found = f"chunk {answer['chunk']}" if answer else "the end"
            raise InputError(f"{place}: has {found} where {segments} has {wanted}; {remedy}")
        pairs = list(zip_longest(request["segments"], answer["translations"]))
        if any(None in pair for pair in pairs):
            raise InputError(
                f"{place}: chunk {answer['chunk']} has {len(answer['translations'])} translations,"
                f" {segments} has {len(request['segments'])} segments; {remedy}"
            )
        pieced = set(answer["pieced"])
        for position, (segment, translation) in enumerate(pairs):
            yield segment, translation, position in pieced


class Translations:
    """A mapping from segment to translation in SQLite's private, temporary database: on disk, so that memory does not
    grow with the rows. `pieced` becomes True when a translation is looked up that was pieced together.
    """

    def __init__(self, translations: Iterable[tuple[str, str, bool]]):
        self.pieced = False
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE known (segment TEXT PRIMARY KEY, translation TEXT, pieced) WITHOUT ROWID")
        self._database.executemany("INSERT INTO known VALUES (?, ?, ?)", translations)

    def __getitem__(self, segment: str) -> str:
        found = self._database.execute("SELECT translation, pieced FROM known WHERE segment = ?", (segment,)).fetchone()
        if found is None:
            raise KeyError(segment)
        self.pieced |= bool(found[1])
        return found[0]

    def close(self) -> None:
        self._database.close()


def translate_row(row: dict, translations: Translations) -> dict:
    """A row with its segments replaced by their translations. Raises InputError when one is missing."""
    translations.pieced = False
    try:
        texts = {field: rebuild(row[field], translations) for field in FIELDS}
    except KeyError as error:
        segment = error.args[0]
        raise InputError(f"row {row['id']}: {segment[:60]!r} has no translation; make the segments again") from None
    return {"id": row["id"], **texts, "flags": ["pieced"] if translations.pieced else []}


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

    def rows(translations: Translations) -> Iterator[dict]:
        nonlocal count
        for row in iter_rows(arguments.seed):
            count += 1
            yield translate_row(row, translations)

    with closing(Translations(iter_translations(arguments.segments, arguments.shards))) as translations:
        write_jsonl(arguments.output, rows(translations))
    print(f"{arguments.output}: {count:,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
