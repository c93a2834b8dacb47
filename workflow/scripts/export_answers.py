"""Write the answers and their ratings as alpaca_eval's JSON, in the folders that its `results/` has.

For each training, in a folder with its name:

    model_outputs.json            its answers: instruction, output, generator, dataset (the prompts' language), id
    JUDGE/ratings.json            the same with annotator, rating (1-3, the mean of `ratings`, or null), explanation,
                                  label (the language found), match, and score (rating times match)
    JUDGE/annotations.json        preferences, which alpaca_eval makes win rates of: output_1 is the answer of the same
                                  model tuned on --reference, output_2 that of the training

A preference is 2 if the training's score is higher, 1 if the reference's is, 1.5 if they are equal, and null if one of
the answers has no rating. A training without a reference to compare it with has no annotations.json.

A name is METHOD_MODEL_RECIPE, with _seedN for a recipe that was repeated with several seeds.

https://github.com/tatsu-lab/alpaca_eval
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from basics.command_line import command_line
from basics.errors import InputError
from basics.writing import beside, write_text
from reporting.scores import read_scores

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("prompt", "response", "rating", "ratings", "explanation", "label", "match", "score")
TRAINING = ("method", "model", "recipe", "seed")

Row = Mapping[str, Any]
Training = tuple[str, str, str, int | None]


def trainings(scores: "pl.DataFrame") -> dict[Training, "pl.DataFrame"]:
    """The rows of each training, in the order of the scores."""
    return {
        (method, model, recipe, seed): table
        for (method, model, recipe, seed), table in scores.partition_by(
            TRAINING, as_dict=True, maintain_order=True
        ).items()
    }


def generator_names(found: Sequence[Training]) -> dict[Training, str]:
    """What each training is called. Raises InputError if two would have the same name."""
    recipes = [training[:3] for training in found]
    names = {
        training: "_".join(training[:3]) + (f"_seed{training[3]}" if recipes.count(training[:3]) > 1 else "")
        for training in found
    }
    twice = [name for name in names.values() if list(names.values()).count(name) > 1]
    if twice:
        raise InputError(f"--scores: two trainings would be called {twice[0]}; rename a model or recipe")
    return names


def outputs(rows: Sequence[Row], generator: str) -> list[dict]:
    """A training's answers, each once, however many judges rated them."""
    return [
        {
            "instruction": row["prompt"],
            "output": row["response"],
            "generator": generator,
            "dataset": row["lang"],
            "id": row["id"],
        }
        for row in rows
        if row["judge"] == rows[0]["judge"]
    ]


def ratings(rows: Sequence[Row], generator: str) -> list[dict]:
    """A judge's ratings of a training's answers."""
    columns = ("rating", "ratings", "explanation", "label", "match", "score")
    return [
        output | {"annotator": row["judge"]} | {column: row[column] for column in columns}
        for output, row in zip(outputs(rows, generator), rows, strict=True)
    ]


def preference(reference: Row, row: Row) -> float | None:
    """2 if the row's score is higher, 1 if the reference's is, 1.5 if they are equal; None without a rating."""
    if reference["rating"] is None or row["rating"] is None:
        return None
    one, two = reference["score"], row["score"]
    return 1.5 if one == two else 2.0 if two > one else 1.0


def annotations(reference: Sequence[Row], rows: Sequence[Row], names: tuple[str, str]) -> list[dict]:
    """A judge's preferences between two trainings, for the prompts that both answered."""
    others = {(row["lang"], row["id"], row["judge"]): row for row in reference}
    pairs = [(others.get((row["lang"], row["id"], row["judge"])), row) for row in rows]
    return [
        {
            "instruction": row["prompt"],
            "output_1": other["response"],
            "generator_1": names[0],
            "output_2": row["response"],
            "generator_2": names[1],
            "dataset": row["lang"],
            "id": row["id"],
            "annotator": row["judge"],
            "rating_1": other["rating"],
            "rating_2": row["rating"],
            "preference": preference(other, row),
        }
        for other, row in pairs
        if other is not None
    ]


def write_records(path: Path, rows: list[dict]) -> None:
    """An array of objects, as alpaca_eval's loader reads it."""
    write_text(path, json.dumps(rows, ensure_ascii=False, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--reference", metavar="RECIPE", help="what answers are compared with (default: nothing)")
    parser.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="a folder for each training")
    arguments = parser.parse_args()

    tables = trainings(read_scores(arguments.scores, COLUMNS))
    names = generator_names(list(tables))
    with beside(arguments.output) as written:
        for training, table in tables.items():
            folder = written / names[training]
            write_records(folder / "model_outputs.json", outputs(table.to_dicts(), names[training]))
            method, model, recipe, seed = training
            compared = (method, model, arguments.reference, seed)
            for judge in table.partition_by("judge", maintain_order=True):
                rows, place = judge.to_dicts(), folder / judge["judge"][0]
                write_records(place / "ratings.json", ratings(rows, names[training]))
                if recipe != arguments.reference and compared in tables:
                    reference = tables[compared].to_dicts()
                    if pairs := annotations(reference, rows, (names[compared], names[training])):
                        write_records(place / "annotations.json", pairs)
    print(f"export_answers: the answers of {len(tables)} trainings", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
