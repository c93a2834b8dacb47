"""Cut the seed data into the segments that need translation, without duplicates, and group them into requests.

A segment is a line of prose (structure.py defines what is prose). It belongs to the chunk of rows in which it occurs
first; a chunk is --chunk-rows consecutive ids, counted from 0 even if some are missing. The segments of a chunk are one
request to the translation engine, whose answer depends on the request as a whole. Requests are therefore made here,
once for all languages, so that translations are the same for any number of shards, workers or restarts.
"""

import argparse
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from basics.command_line import command_line, positive
from basics.writing import write_jsonl
from data.rows import FIELDS
from translating.requests import iter_rows
from translating.structure import prose_segments


def make_requests(rows: Iterable[dict], chunk_rows: int) -> Iterator[dict]:
    """Yield {"chunk", "segments"}: for every chunk the segments that no earlier one has, in order.

    Seen segments are kept on disk (in SQLite's private, temporary database), so memory does not grow with the rows.
    """
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")

        def is_new(segment: str) -> bool:
            digest = blake2b(segment.encode("utf-8"), digest_size=16).digest()
            return database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount > 0

        for chunk, members in groupby(rows, key=lambda row: row["id"] // chunk_rows):
            segments = [
                segment
                for row in members
                for field in FIELDS
                for segment in prose_segments(row[field])
                if is_new(segment)
            ]
            if segments:
                yield {"chunk": chunk, "segments": segments}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=Path, required=True, help="JSON lines of id, instruction, input, output")
    parser.add_argument("--chunk-rows", type=positive, default=128, help="row ids per request (default 128)")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines of chunk, segments")
    arguments = parser.parse_args()

    counts = {"requests": 0, "segments": 0, "words": 0}

    def count(requests: Iterable[dict]) -> Iterator[dict]:
        for request in requests:
            counts["requests"] += 1
            counts["segments"] += len(request["segments"])
            counts["words"] += sum(len(segment.split()) for segment in request["segments"])
            yield request

    write_jsonl(arguments.output, count(make_requests(iter_rows(arguments.seed), arguments.chunk_rows)))
    summary = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{arguments.output}: {summary}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
