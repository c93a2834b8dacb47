"""Join responses, ratings and language identification of one run into its score table, one row a response.

A response's score is its rating times its match: 1-3 for a rated answer in the language asked for, 0 for one in
another language (Chen et al., 2024, section 3.4). What a missing rating does to the score is --missing:

    zero    the score is 0, and a warning says how often (the default)
    null    the score is missing too

Either way the row stays and its rating is null. Every response must have exactly one rating and one identification.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from files import InputError, beside, command_line, read_jsonl

if TYPE_CHECKING:
    import polars as pl

COORDINATES = ("judge", "method", "model", "recipe")
Key = tuple[str, str]  # lang, id


def by_key(path: Path, fields: Iterable[str]) -> dict[Key, dict]:
    """Read rows by (lang, id). Raises InputError when two have the same."""
    rows: dict[Key, dict] = {}
    for row in read_jsonl(path, fields=("lang", "id", *fields)):
        key = (row["lang"], row["id"])
        if key in rows:
            raise InputError(f"{path}: lang {key[0]}, id {key[1]} is there twice; make the file again")
        rows[key] = row
    return rows


def check_same(one: Iterable[Key], path: Path, other: Iterable[Key], source: Path) -> None:
    """Raise InputError naming the first key of `source` that `path` lacks."""
    have = set(one)
    for lang, id in other:
        if (lang, id) not in have:
            raise InputError(f"{path}: lang {lang}, id {id} of {source} is missing; make the file again")


def read_run(responses: Path, ratings: Path, langid: Path) -> list[dict]:
    """The run's rows, joined, in the order of the responses. Raises InputError when the three do not fit."""
    answers = by_key(responses, ("prompt", "response"))
    rated = by_key(ratings, ("rating", "explanation"))
    identified = by_key(langid, ("label", "probability", "match"))
    for path, rows in ((ratings, rated), (langid, identified)):
        check_same(rows, path, answers, responses)
        check_same(answers, responses, rows, path)
    return [{**identified[key], **rated[key], **answer} for key, answer in answers.items()]


def score_table(rows: list[dict], coordinates: dict[str, str], missing: str) -> "pl.DataFrame":
    """One row a response, with the run's coordinates, rating and match, and the score made of them."""
    import polars as pl

    schema = {
        "lang": pl.String,
        "id": pl.String,
        "prompt": pl.String,
        "response": pl.String,
        "rating": pl.Int8,
        "explanation": pl.String,
        "label": pl.String,
        "probability": pl.Float64,
        "match": pl.Boolean,
    }
    rating = pl.col("rating").fill_null(0) if missing == "zero" else pl.col("rating")
    table = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    return table.select(
        *(pl.lit(coordinates[name], pl.String).alias(name) for name in COORDINATES),
        *schema,
        (rating * pl.col("match").cast(pl.Int8)).alias("score"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, type=Path, help="JSON lines: lang, id, prompt, response")
    parser.add_argument("--ratings", required=True, type=Path, help="JSON lines: lang, id, rating, explanation")
    parser.add_argument("--langid", required=True, type=Path, help="JSON lines: lang, id, label, probability, match")
    parser.add_argument("--missing", choices=["zero", "null"], default="zero", help="score of a missing rating")
    for name in COORDINATES:
        parser.add_argument(f"--{name}", required=True, help="a coordinate of the run")
    parser.add_argument("--output", required=True, type=Path, help="parquet")
    arguments = parser.parse_args()

    rows = read_run(arguments.responses, arguments.ratings, arguments.langid)
    table = score_table(rows, {name: getattr(arguments, name) for name in COORDINATES}, arguments.missing)
    with beside(arguments.output) as written:
        table.write_parquet(written)

    if unrated := table["rating"].null_count():
        effect = "score 0" if arguments.missing == "zero" else "have no score"
        print(f"warning: {unrated} of {len(table)} responses have no rating and {effect}", file=sys.stderr)
    print(f"score: {table['score'].sum()} over {len(table)} responses", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
