"""Whether the judges can tell planted good answers from bad ones, as one page: what judges.md says of controls. It is
made from their ratings alone, so that it can be read before any model is trained.

--controls takes the output files of judge.py for the responses of controls.py, as JUDGE=FILE.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line, judge_file
from basics.writing import write_text
from judging.repeats import read_repeats
from reporting.controls import control_rows, control_section, warnings

if TYPE_CHECKING:
    import polars as pl


def read_ratings(files: Iterable[tuple[str, Path]]) -> "pl.DataFrame":
    """One row per rating: judge, lang, id, repeat, rating."""
    import polars as pl

    schema = {"judge": pl.String, "lang": pl.String, "id": pl.String, "repeat": pl.Int64, "rating": pl.Int8}
    rows = [
        row | {"judge": judge} for judge, path in files for repeats in read_repeats(path).values() for row in repeats
    ]
    return pl.DataFrame([[row[name] for name in schema] for row in rows], schema=schema, orient="row")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--controls", required=True, nargs="+", type=judge_file, metavar="JUDGE=FILE", help="ratings")
    parser.add_argument("--languages", nargs="*", default=[], metavar="CODE", help="order of the languages")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence about these ratings")
    parser.add_argument("--output", required=True, metavar="FILE", help="Markdown")
    arguments = parser.parse_args()

    rows = control_rows(read_ratings(arguments.controls), arguments.languages)
    note = [f"**{arguments.note}**"] if arguments.note else []
    write_text(arguments.output, "\n\n".join([*note, *control_section(rows, arguments.languages)]) + "\n")
    for sentence in warnings(rows):
        print(f"warning: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
