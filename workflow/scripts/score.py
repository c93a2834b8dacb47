"""Join responses, ratings and language identification of one run into its score table, one row per response.

A response's score is its rating times its match: 1-3 for a rated answer in the language asked for, 0 for one in another
language (Chen et al., 2024, section 3.4). If the judge rated each response several times, the rating is the mean of the
ratings that exist; `ratings` lists all, in order of repeat. `explanation`, `judge_model` and `fingerprint` are from one
reply: the first with a rating or, if there is none, the last.

--missing sets the score of a response without any rating:

    zero    0, with a warning that says how often (the default)
    null    none: the score is missing, too

In both cases the row stays, with the rating null. Every response must have all repeats of its rating, and exactly one
identification. A row documents its score completely: the SHA-256 of the text, the decoding, and the model that rated.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.errors import InputError
from basics.kinds import Kind
from basics.reading import read_json, read_jsonl
from basics.tables import write_parquet
from judging.repeats import Key, read_repeats
from reporting.markdown import format_score

if TYPE_CHECKING:
    import polars as pl


COORDINATES = ("judge", "method", "model", "recipe")  # and seed


def read_by_key(path: Path, fields: Mapping[str, Kind | None]) -> dict[Key, dict]:
    """Read rows by (lang, id). Raises InputError if there are none, or if two share a key."""
    rows: dict[Key, dict] = {}
    for row in read_jsonl(path, fields={"lang": str, "id": str, **fields}, empty="rows"):
        key = (row["lang"], row["id"])
        if key in rows:
            raise InputError(f"{path}: lang {key[0]}, id {key[1]} appears twice; make the file again")
        rows[key] = row
    return rows


def check_same(one: Iterable[Key], path: Path, other: Iterable[Key], source: Path) -> None:
    """Raise InputError naming the first key of `source` that is missing in `path`."""
    have = set(one)
    for lang, id in other:
        if (lang, id) not in have:
            raise InputError(f"{path}: lang {lang}, id {id} of {source} is missing; make the file again")


def combine_repeats(repeats: list[dict]) -> dict:
    """The mean rating over the repeats of one response, and the reply that it is documented by."""
    ratings = [row["rating"] for row in repeats]
    given = [rating for rating in ratings if rating is not None]
    reply = next((row for row in repeats if row["rating"] is not None), repeats[-1])
    return {
        "rating": fmean(given) if given else None,
        "ratings": ratings,
        "explanation": reply["explanation"],
        "judge_model": reply["model"],
        "fingerprint": reply["fingerprint"],
    }


def read_run(responses: Path, ratings: Path, langid: Path) -> list[dict]:
    """The run's rows, joined, in the order of the responses. Raises InputError if the three files do not match."""
    answers = read_by_key(responses, {"prompt": str, "response": str})
    rated = read_repeats(ratings, {"explanation": str, "model": str | None, "fingerprint": str | None})
    passes = {"match": bool, "code_decides": bool, "lines_match": bool | None, "words_match": bool | None}
    identified = read_by_key(langid, {"label": str | None, "probability": float, **passes})
    for path, rows in ((ratings, rated), (langid, identified)):
        check_same(rows, path, answers, responses)
        check_same(answers, responses, rows, path)
    return [
        answer
        | {"response_sha256": hashlib.sha256(answer["response"].encode("utf-8")).hexdigest()}
        | combine_repeats(rated[key])
        | identified[key]
        for key, answer in answers.items()
    ]


def decoding_of(path: Path | None) -> str | None:
    """The description of the decoding, from the record beside the responses; None without a record."""
    if path is None:
        return None
    return read_json(path, fields={"decoding": str})["decoding"]


def make_score_table(
    rows: list[dict], coordinates: dict[str, str], seed: int | None, decoding: str | None, missing: str
) -> "pl.DataFrame":
    """One row per response: the run's coordinates, the columns of `rows`, and the score from rating and match."""
    import polars as pl

    schema = {
        "lang": pl.String,
        "id": pl.String,
        "prompt": pl.String,
        "response": pl.String,
        "response_sha256": pl.String,
        "decoding": pl.String,
        "rating": pl.Float64,
        "ratings": pl.List(pl.Int8),
        "explanation": pl.String,
        "judge_model": pl.String,
        "fingerprint": pl.String,
        "label": pl.String,
        "probability": pl.Float64,
        "match": pl.Boolean,
        "code_decides": pl.Boolean,
        "lines_match": pl.Boolean,
        "words_match": pl.Boolean,
    }
    rating = pl.col("rating").fill_null(0.0) if missing == "zero" else pl.col("rating")
    whole = [row | {"decoding": decoding} for row in rows]
    table = pl.DataFrame([{name: row[name] for name in schema} for row in whole], schema=schema)
    return table.select(
        *(pl.lit(coordinates[name], pl.String).alias(name) for name in COORDINATES),
        pl.lit(seed, pl.Int64).alias("seed"),
        *schema,
        (rating * pl.col("match").cast(pl.Float64)).alias("score"),
    )


def missing_rating_warnings(table: "pl.DataFrame", missing: str) -> list[str]:
    """One line on responses without any rating, and one on missing repeats of other responses."""
    import polars as pl

    lines = []
    if unrated := table["rating"].null_count():
        effect = "score 0" if missing == "zero" else "have no score"
        lines.append(f"warning: {unrated} of {len(table)} responses have no rating and {effect}")
    partly = table.filter(pl.col("rating").is_not_null())["ratings"].explode()
    if partly.null_count():
        lines.append(
            f"warning: {partly.null_count()} of {len(partly)} ratings of the other responses are missing; the mean is"
            " over the rest"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, type=Path, help="JSON lines: lang, id, prompt, response")
    parser.add_argument("--decoding", type=Path, help="JSON with a description of the decoding (default: unknown)")
    parser.add_argument("--ratings", required=True, type=Path, help="JSON lines of judge.py: lang, id, repeat, rating")
    parser.add_argument("--langid", required=True, type=Path, help="JSON lines of langid.py: lang, id, label, match")
    parser.add_argument("--missing", choices=["zero", "null"], default="zero", help="score of a missing rating")
    for name in COORDINATES:
        parser.add_argument(f"--{name}", required=True, help="a coordinate of the run")
    parser.add_argument("--seed", type=int, help="seed of the training (default: unknown)")
    parser.add_argument("--output", required=True, type=Path, help="parquet")
    arguments = parser.parse_args()

    rows = read_run(arguments.responses, arguments.ratings, arguments.langid)
    coordinates = {name: getattr(arguments, name) for name in COORDINATES}
    table = make_score_table(rows, coordinates, arguments.seed, decoding_of(arguments.decoding), arguments.missing)
    write_parquet(arguments.output, table)

    for line in missing_rating_warnings(table, arguments.missing):
        print(line, file=sys.stderr)
    print(f"score: {format_score(float(table['score'].sum()))} over {len(table)} responses", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
