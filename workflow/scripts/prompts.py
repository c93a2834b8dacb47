"""Bring the test prompts of one language into one form: JSON lines of id and prompt.

The file must hold the expected number of prompts, each with an id of its own and a text; Windows line ends are
accepted. A fault is named with its line (the authors' Hindi file, for one, ends in a line that is not JSON).

Files of several languages are thought to hold the same questions under the same ids. --reference is the file of another
one, and an id that is not the one in the same place there is warned of, not refused: prompts of one's own need not be
parallel, and one of the authors' Chinese prompts carries an id of none of the other languages'.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from data.prompts import FIELDS, check_prompts


def other_ids(rows: list[dict], reference: list[dict]) -> list[tuple[int, str, str]]:
    """Places, from 1, where the ids of two languages differ, with the id here and the one there."""
    ids = [[str(row["id"]) for row in side] for side in (rows, reference)]
    return [(place, here, there) for place, (here, there) in enumerate(zip(*ids, strict=False), 1) if here != there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--expected", required=True, type=int, help="number of prompts the file must hold")
    parser.add_argument("--reference", type=Path, help="prompts of another language, to compare the ids with")
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    rows = read_jsonl(arguments.input, fields=FIELDS)
    checked = check_prompts(rows, arguments.input, arguments.expected)
    if arguments.reference:
        for place, here, there in other_ids(checked, read_jsonl(arguments.reference, fields=FIELDS)):
            print(
                f"warning: {arguments.input}, prompt {place}: the id {here} is {there} in {arguments.reference};"
                " as they stand at one place, their answers are taken for answers to one question",
                file=sys.stderr,
            )
    write_jsonl(arguments.output, checked)
    print(f"{arguments.output}: {len(rows)} prompts", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
