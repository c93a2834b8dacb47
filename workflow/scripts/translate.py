"""Join the translated shards of one language and hold them against the seed: same ids, same order, same count."""

import argparse
import sys
from pathlib import Path

from files import InputError, command_line, read_jsonl, write_jsonl

FIELDS = ("id", "instruction", "input", "output", "flags")


def check_ids(seed: Path, wanted: list, shards: dict[Path, list[dict]]) -> None:
    """Raise InputError naming the shard and the first id at which the shards, one after another, leave the seed."""
    remedy = "remove that file and translate its shard again"
    place = 0
    for path, rows in shards.items():
        for row in rows:
            expected = repr(wanted[place]) if place < len(wanted) else "its end"
            if repr(row["id"]) != expected:
                raise InputError(f"{path}: id {row['id']!r} stands where {seed} has {expected}; {remedy}")
            place += 1
    if place < len(wanted):
        raise InputError(f"{path}: ends before id {wanted[place]!r} of {seed}; {remedy}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=Path, required=True, help="the rows that were translated")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="translated shards, in order")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    wanted = [row["id"] for row in read_jsonl(arguments.seed, fields=("id",))]
    shards = {path: read_jsonl(path, fields=FIELDS) for path in arguments.shards}
    check_ids(arguments.seed, wanted, shards)
    write_jsonl(arguments.output, (row for rows in shards.values() for row in rows))
    print(f"{arguments.output}: {len(wanted):,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
