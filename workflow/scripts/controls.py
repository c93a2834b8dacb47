"""Make planted controls for the judges: responses of known worth, in the format of a run's responses.

--texts takes one file per language as CODE=FILE: JSON lines of id, prompt, answer (good and short) and verbose (the
same answer at length); the same ids in all languages, in the same order. For each prompt and language the output has

    good            the answer
    verbose         the verbose answer
    wrong-language  the answer in the first other language of --texts
    other-prompt    the answer to the next prompt
    empty           nothing
    cut             the first third of the answer, up to the end of a word
    repeated        the prompt

as JSON lines of lang, id (kind/id), prompt, response. judge.py rates these like any others.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line, files_by_language, language_file
from basics.writing import write_jsonl
from judging.controls import control_rows, read_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", required=True, nargs="+", type=language_file, metavar="CODE=FILE", help="the set")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="JSON lines")
    arguments = parser.parse_args()

    texts = read_set(files_by_language(arguments.texts, "--texts"))
    rows = control_rows(texts)
    write_jsonl(arguments.output, rows)
    print(f"controls: {len(rows)} responses in {', '.join(texts)}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
