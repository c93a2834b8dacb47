"""Merge the score tables of many runs into one, sorted by judge, method, model, recipe, seed and language.

The answers of a run in a language stay in the order of its prompts, which aligns the prompts across languages. Sorting
by id would not, because ids may differ between languages (one of the published Chinese prompts has a different id).
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.tables import write_parquet
from reporting.scores import KEY, read_table, scored_twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", required=True, nargs="+", type=Path, metavar="FILE", help="tables of score.py")
    parser.add_argument("--output", required=True, type=Path, help="parquet")
    arguments = parser.parse_args()

    import polars as pl

    tables = []
    for path in arguments.scores:
        tables.append(read_table(path))
        if tables[-1].schema != tables[0].schema:
            raise InputError(
                f"{path}: columns differ from those of {arguments.scores[0]}; make both again with score.py"
            )
    scores = pl.concat(tables).sort(KEY[:-1], maintain_order=True)  # all but the id
    if twice := scored_twice(scores):
        raise InputError(f"--scores: {twice} appears twice; give each run's table once")
    write_parquet(arguments.output, scores)
    runs = scores.select(KEY[:5]).n_unique()
    print(f"scores: {len(scores)} responses of {runs} runs, {scores['rating'].null_count()} unrated", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
