"""Assemble a training recipe: rows of one or more languages, held-out rows apart, under a budget.

The same row ids are held out in every language, so that no translation of a validation row is trained on.
--rows all keeps every other row; one-language draws as many as one language has, from all of them at once, so
that tuning costs what one monolingual tuning costs (paper, section 2.3); a number draws that many. The rows that
remain are shuffled. What is drawn depends on the seed, the row ids and the languages, and on nothing else.
"""

import argparse
import random
import sys
from pathlib import Path

import polars as pl
from files import InputError, beside, command_line, language_file, read_jsonl, sha256, write_json

FIELDS = ("instruction", "input", "output")


def read_languages(paths: dict[str, Path]) -> dict[str, dict[int, dict]]:
    """Read each language's rows by id. Raises InputError when two languages do not have the same ids."""
    languages = {}
    for language, path in paths.items():
        rows = read_jsonl(path, fields=("id", *FIELDS))
        languages[language] = {row["id"]: row for row in rows}
        if len(languages[language]) < len(rows):
            raise InputError(f"{path}: an id is there twice")
    first, *others = languages
    for other in others:
        difference = languages[first].keys() ^ languages[other].keys()
        if difference:
            raise InputError(
                f"{paths[other]}: row {min(difference)} is in this file or in {paths[first]}, not in both; "
                "translations must keep every id"
            )
    return languages


def hold_out(ids: list[int], count: int, seed: int) -> set[int]:
    """Draw the validation ids: a function of the seed and the ids alone, hence the same in every recipe."""
    if count >= len(ids):
        raise InputError(f"recipe.validation_rows is {count}, and the seed data has {len(ids)} rows: hold out fewer")
    return set(random.Random(f"validation {seed}").sample(sorted(ids), count))


def assemble(
    languages: dict[str, dict[int, dict]], rows: str, validation_rows: int, seed: int
) -> tuple[list[dict], list[dict]]:
    """Return (train, validation), each a list of rows id, lang, instruction, input, output."""
    ids = sorted(next(iter(languages.values())))
    held = hold_out(ids, validation_rows, seed)
    pool = [(language, row_id) for language in languages for row_id in ids if row_id not in held]
    one_language = len(ids) - len(held)
    budget = {"all": len(pool), "one-language": one_language}.get(rows) or int(rows)
    if budget > len(pool):
        raise InputError(f"recipe: {budget} rows are asked for, and its languages have {len(pool)}")
    drawn = random.Random(f"rows {seed}").sample(pool, budget)
    train = [_row(languages, *item) for item in drawn]
    validation = [_row(languages, language, row_id) for language in languages for row_id in sorted(held)]
    return train, validation


def _row(languages: dict[str, dict[int, dict]], language: str, row_id: int) -> dict:
    row = languages[language][row_id]
    return {"id": row_id, "lang": language} | {field: row[field] for field in FIELDS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the recipe, for the manifest")
    parser.add_argument(
        "--language",
        required=True,
        action="append",
        type=language_file,
        metavar="CODE=FILE",
        help="rows of a language; may be repeated",
    )
    parser.add_argument("--rows", required=True, help="all, one-language, or a number of training rows")
    parser.add_argument("--validation-rows", required=True, type=int, help="row ids to hold out")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--output", required=True, type=Path, help="folder for the two parquet files and manifest")
    arguments = parser.parse_args()

    paths = dict(arguments.language)
    train, validation = assemble(read_languages(paths), arguments.rows, arguments.validation_rows, arguments.seed)
    counts = pl.Series([row["lang"] for row in train]).value_counts().iter_rows()
    with beside(arguments.output) as folder:
        folder.mkdir()
        pl.DataFrame(train).write_parquet(folder / "train.parquet")
        pl.DataFrame(validation).write_parquet(folder / "validation.parquet")
        manifest = {
            "recipe": arguments.name,
            "rows": arguments.rows,
            "seed": arguments.seed,
            "train_rows": dict(sorted(counts)),
            "validation_ids": sorted({row["id"] for row in validation}),
            "inputs": {language: sha256(path) for language, path in paths.items()},
        }
        write_json(folder / "manifest.json", manifest)
    print(f"{arguments.output}: {len(train):,} rows to train, {len(validation):,} to validate", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
