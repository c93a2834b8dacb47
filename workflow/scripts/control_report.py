"""Whether the judges can tell planted good answers from bad ones, as one page: what judges.md says of controls. It is
made from their ratings alone, so that it can be read before any model is trained.

--controls takes the output files of judge.py for the responses of controls.py, as JUDGE=FILE.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from basics.command_line import command_line, judge_file
from basics.writing import write_text
from judging.repeats import ratings_table
from reporting.controls import control_rows, control_section, warnings
from reporting.names import named_language, with_language_names

if TYPE_CHECKING:
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--controls", required=True, nargs="+", type=judge_file, metavar="JUDGE=FILE", help="ratings")
    parser.add_argument(
        "--languages", nargs="*", default=[], type=named_language, metavar="CODE=NAME", help="order and names"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence about these ratings")
    parser.add_argument("--output", required=True, metavar="FILE", help="Markdown")
    arguments = parser.parse_args()

    ratings = ratings_table((judge, "controls", path) for judge, path in arguments.controls)
    names = dict(arguments.languages)
    rows = with_language_names(control_rows(ratings, list(names)), names)
    note = [f"**{arguments.note}**"] if arguments.note else []
    write_text(arguments.output, "\n\n".join([*note, *control_section(rows, list(names.values()))]) + "\n")
    for sentence in warnings(rows):
        print(f"warning: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
