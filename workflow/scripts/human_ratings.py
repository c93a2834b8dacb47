"""Turn a rating sheet that a person filled in into files of ratings, in the format of judge.py.

--sheet is the sheet of rating_sheet.py with its column rating filled in, as a spreadsheet saves it (CSV); --key was
written with it. --responses takes the files of respond.py of all runs, whose paths end in METHOD/MODEL/RECIPE.jsonl.
For each, FOLDER/METHOD/MODEL/RECIPE.jsonl has all its responses in order, with the rating null where the person gave
none, and the comment as the explanation.

A response that is not the one that was rated ends the program; ratings of runs without a file here are left out, and
counted.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.paths import run_of
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from judging.sheets import HumanRating, digest, read_sheet
from judging.spending import NO_USAGE


def rating_row(response: Mapping, given: HumanRating | None) -> dict:
    """A row as judge.py writes it."""
    rated = {
        "rating": given and given.rating,
        "explanation": given.comment if given else "",
        "attempts": int(given is not None),
    }
    of_models = {"model": None, "fingerprint": None, "usage": NO_USAGE}
    return {"lang": response["lang"], "id": response["id"], "repeat": 1} | rated | of_models


def rate_run(path: Path, given: Mapping[tuple[str, str], HumanRating], sheet: Path) -> list[dict]:
    """The rows of a run, from what a person gave by language and id.

    Raises InputError if one of these responses is not there any more, or is another one.
    """
    responses = read_jsonl(path, fields={"lang": str, "id": str, "response": str}, empty="responses")
    digests = {(row["lang"], row["id"]): digest(row["response"]) for row in responses}
    for place, rating in given.items():
        if digests.get(place) != rating.digest:
            raise InputError(
                f"{sheet}: rates a response to lang {place[0]}, id {place[1]} that is not in {path}, which was made"
                " again since; have a new sheet filled in, or take that file back"
            )
    return [rating_row(row, given.get((row["lang"], row["id"]))) for row in responses]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", required=True, type=Path, metavar="CSV", help="the sheet, filled in")
    parser.add_argument("--key", required=True, type=Path, metavar="JSONL", help="its key")
    parser.add_argument("--responses", required=True, nargs="+", type=Path, metavar="FILE", help="files of respond.py")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for the files of ratings")
    options = parser.parse_args()

    given = read_sheet(options.sheet, options.key)
    files = {run_of(path): path for path in options.responses}
    rated = {
        run: rate_run(
            path, {(lang, id): rating for (of, lang, id), rating in given.items() if of == run}, options.sheet
        )
        for run, path in files.items()
    }
    for run, rows in rated.items():
        write_jsonl(options.output / f"{run}.jsonl", rows)
    elsewhere = sum(run not in files for run, *_ in given)
    print(f"human ratings: {len(given)}, {elsewhere} of them of runs that are not asked for", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
