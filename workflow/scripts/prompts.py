"""Convert the test prompts of one language to one format: JSON lines of id and prompt.

The file must contain the expected number of prompts, each with a unique id and a text; Windows line endings are
accepted. A fault is reported with its line (the authors' Hindi file, for example, ends in a line that is not JSON).
--use keeps only the first of them, for a small study.

Files of different languages are expected to contain the same questions under the same ids. --reference is the file of
another language. An id that differs from the one in the same position there causes a warning, not an error: your own
prompts need not be parallel, and one of the authors' Chinese prompts has an id that no other language has.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line, positive
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from data.prompts import FIELDS, check_prompts


def differing_ids(rows: list[dict], reference: list[dict]) -> list[tuple[int, str, str]]:
    """Positions, from 1, where the ids of two languages differ, with the id here and the id there."""
    ids = [[str(row["id"]) for row in side] for side in (rows, reference)]
    return [(number, here, there) for number, (here, there) in enumerate(zip(*ids, strict=False), 1) if here != there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, type=Path, help="JSON lines, as published")
    parser.add_argument("--expected", required=True, type=int, help="number of prompts that the file must contain")
    parser.add_argument("--use", type=positive, help="number of prompts to keep, from the first (default: all)")
    parser.add_argument("--reference", type=Path, help="prompts of another language, to compare the ids with")
    parser.add_argument("--output", required=True, type=Path, help="JSON lines: id, prompt")
    arguments = parser.parse_args()
    rows = read_jsonl(arguments.input, fields=FIELDS)
    checked = check_prompts(rows, arguments.input, arguments.expected)
    if arguments.reference:
        for number, here, there in differing_ids(checked, read_jsonl(arguments.reference, fields=FIELDS)):
            print(
                f"warning: {arguments.input}, prompt {number}: the id is {here}, but {there} in {arguments.reference};"
                " as they have the same position, their answers count as answers to the same question",
                file=sys.stderr,
            )
    used = checked[: arguments.use]
    write_jsonl(arguments.output, used)
    print(f"{arguments.output}: {len(used)} prompts", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
