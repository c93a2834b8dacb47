"""How the judges rated, at what cost, and how reliable their ratings are: PREFIX.md for reading, and PREFIX.csv.

--ratings takes the output files of judge.py as JUDGE=FILE, with paths that end in METHOD/MODEL/RECIPE.jsonl: path, lang
and id show which ratings of two judges belong to the same response.

--prices is a JSON object or a file with one: US dollars per million tokens for each judge whose price is known, such as
{"gpt-6-luna": {"prompt": 0.1, "completion": 0.5}}. Tokens are summed over the ratings; when equal responses of a run
share a call, its tokens count once.

Agreement is measured between the repeats of a judge, and between every two judges by the first rating of each response:
the share of equal pairs of ratings, Krippendorff's alpha for ordinal ratings, and between two judges Cohen's kappa with
quadratic weights, each with a 95 % bootstrap confidence interval (1000 samples of the prompts).

--people names the judges that are people: of these, responses that they did not rate are left out, and their agreement
with each judge is given by language, where they rated enough.

--controls takes the judges' ratings of planted controls (controls.py): whether a judge rates a good answer above each
kind of bad one, how often it rates the wrong language 3, and whether it prefers length or the template's own example.
--responses takes the responses of the runs: how ratings depend on length. Both are described in reporting/.

PREFIX.csv has one row per number: table, judge, other, language, model, fingerprint, measure, value.
"""

import argparse
import csv
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line, judge_file
from basics.errors import InputError
from basics.kinds import fields_fault
from basics.settings import read_object
from basics.writing import beside, write_text
from judging.agreement_tables import (
    RESPONSE,
    Row,
    agreement_section,
    agreements,
    agreements_of_people,
    by_judge,
    people_section,
)
from judging.ratings import RATINGS
from judging.repeats import ratings_table
from reporting.controls import control_rows, control_section
from reporting.length import length_section, run_of, slope_rows
from reporting.markdown import ABSENT, escape_markdown, markdown_table
from reporting.names import named_language, with_language_names
from reporting.order import in_order

if TYPE_CHECKING:
    import polars as pl


NAMES = ("judge", "other", "language", "model", "fingerprint")  # coordinates of a number in the csv
EFFECTS = {"zero": "scores 0", "null": "has no score"}


# --- counts ----------------------------------------------------------------------------------------------------------


def ratings_file(argument: str) -> tuple[str, str, Path]:
    """Split JUDGE=FILE into the judge, the run in the file's path, and the file."""
    judge, separator, path = argument.partition("=")
    run = run_of(path)
    if not (judge and separator and run.count("/") == 2):
        raise ArgumentTypeError(f"{argument!r} is not JUDGE=FILE with FILE ending in METHOD/MODEL/RECIPE.jsonl")
    return judge, run, Path(path)


def without_unrated(ratings: "pl.DataFrame", people: Sequence[str]) -> "pl.DataFrame":
    """The ratings, without the responses that people, who rate a sample, did not rate."""
    return ratings.filter(ratings["rating"].is_not_null() | ~ratings["judge"].is_in(list(people)))


def read_prices(argument: str) -> dict[str, dict[str, float]]:
    """Read --prices. Raises InputError naming a judge whose price is incomplete."""
    prices = read_object(argument)
    for judge, price in prices.items():
        if not isinstance(price, dict) or set(price) != {"prompt", "completion"}:
            raise InputError(
                f"--prices: {judge!r} needs 'prompt' and 'completion', US dollars per million tokens; give both"
            )
        if fault := fields_fault(price, dict.fromkeys(price, float)):
            raise InputError(f"--prices: {judge!r}: {fault}; give US dollars")
    return prices


def rating_summaries(ratings: "pl.DataFrame") -> list[Row]:
    """One row per judge: how many ratings it gave, and how many are missing."""
    import polars as pl

    rows = []
    for judge, table in by_judge(ratings).items():
        given = table.group_by(RESPONSE).agg(pl.col("rating").count())["rating"]
        missing = table["rating"].null_count()
        rows.append(
            {
                "judge": judge,
                "responses": len(given),
                "repeats": table["repeat"].max(),
                "ratings": len(table),
                "missing": missing,
                "share missing": missing / len(table),
                "responses without any": int((given == 0).sum()),
            }
        )
    return rows


def rating_distribution(ratings: "pl.DataFrame", languages: Sequence[str]) -> list[Row]:
    """One row per judge and language: how often each rating was given, and how often none."""
    rows = []
    for judge, table in by_judge(ratings).items():
        for lang in in_order(table["lang"].to_list(), languages):
            given = table.filter(table["lang"] == lang)["rating"]
            counts = {str(value): int((given == value).sum()) for value in RATINGS}
            rows.append({"judge": judge, "language": lang} | counts | {"missing": given.null_count()})
    return rows


def answering_models(ratings: "pl.DataFrame") -> list[Row]:
    """One row per judge, model and fingerprint: the number of its ratings, including missing ones."""
    found = ratings.group_by("judge", "model", "fingerprint", maintain_order=True).len("ratings")
    return [row for judge in by_judge(ratings) for row in found.filter(found["judge"] == judge).to_dicts()]


def judging_costs(ratings: "pl.DataFrame", prices: dict[str, dict[str, float]]) -> list[Row]:
    """One row per judge: attempts, tokens, and money if its price is known."""
    rows = []
    for judge, table in by_judge(ratings).items():
        tokens = {kind: int(table[f"{kind}_tokens"].sum()) for kind in ("prompt", "completion")}
        price = prices.get(judge)
        money = sum(tokens[kind] * price[kind] for kind in tokens) / 1e6 if price else None
        rows.append(
            {
                "judge": judge,
                "attempts": int(table["attempts"].sum()),
                "prompt tokens": tokens["prompt"],
                "completion tokens": tokens["completion"],
                "US dollars": money,
            }
        )
    return rows


# --- the page ---------------------------------------------------------------------------------------------------------


def missing_note(rows: Sequence[Row], policy: str) -> list[str]:
    """A sentence on the missing ratings of all judges, and their effect on scores; none if all are there."""
    missing, requested, unrated, responses = (
        sum(row[key] for row in rows) for key in ("missing", "ratings", "responses without any", "responses")
    )
    if not missing:
        return []
    return [
        f"**{missing} of {requested} ratings are missing ({missing / requested:.2%}).** {unrated} of {responses}"
        f" responses have no rating at all: such a response {EFFECTS[policy]} (`score.missing: {policy}`)."
    ]


def percentages(row: Row) -> Row:
    """A row of the distribution, with percentages added to the counts."""
    counts = {key: value for key, value in row.items() if isinstance(value, int)}
    total = sum(counts.values())
    return row | {key: f"{count} ({count / total:.0%})" for key, count in counts.items()}


def model_changes(rows: Sequence[Row]) -> list[str]:
    """A sentence for each judge whose answers came from more than one model or fingerprint."""
    sentences = []
    for judge in dict.fromkeys(row["judge"] for row in rows):
        for kind in ("model", "fingerprint"):
            found = {row[kind] for row in rows if row["judge"] == judge and row[kind]}
            if len(found) > 1:
                sentences.append(
                    f"**{judge}: {len(found)} {kind}s answered.** The model changed at the endpoint in the meantime,"
                    " so its ratings may not be comparable."
                )
    return sentences


def judges_page(tables: dict[str, list[Row]], languages: Sequence[str], policy: str, note: str) -> str:
    """The report as one page."""
    judges = [row | {"share missing": f"{row['share missing']:.2%}"} for row in tables["rated"]]
    counts = [key for key in judges[0] if key != "judge"]
    spent = [
        row | {"US dollars": ABSENT if row["US dollars"] is None else f"{row['US dollars']:.2f}"}
        for row in tables["cost"]
    ]
    who = [
        {key: ABSENT if value is None else escape_markdown(value) for key, value in row.items()}
        for row in tables["answered"]
    ]
    parts = [
        "# Judges",
        *([f"**{note}**"] if note else []),
        *missing_note(tables["rated"], policy),
        markdown_table(judges, right=counts),
        *control_section(tables["controls"], languages),
        *length_section(tables["length"]),
        "## Ratings by language",
        markdown_table(map(percentages, tables["distribution"]), right=[*map(str, RATINGS), "missing"]),
        "## Agreement",
        *agreement_section(tables["agreement"], tables["agreement with people"], tables["rated"]),
        *people_section(tables["agreement with people"]),
        "## Who answered",
        *model_changes(tables["answered"]),
        markdown_table(who, right=["ratings"]),
        "## Cost",
        markdown_table(spent, right=[key for key in spent[0] if key != "judge"]),
    ]
    return "\n\n".join(parts) + "\n"


def write_csv(path: str, tables: dict[str, list[Row]]) -> None:
    """Write one number per row; an undefined one is empty."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["table", *NAMES, "measure", "value"], lineterminator="\n")
        writer.writeheader()
        for table, rows in tables.items():
            for row in rows:
                about = {"table": table} | {name: row.get(name) for name in NAMES}
                for measure in (key for key in row if key not in NAMES):
                    writer.writerow(about | {"measure": measure, "value": row[measure]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ratings", required=True, nargs="+", type=ratings_file, metavar="JUDGE=FILE", help="files of judge.py"
    )
    parser.add_argument("--people", nargs="*", default=[], metavar="JUDGE", help="judges that are people")
    parser.add_argument(
        "--controls", nargs="*", default=[], type=judge_file, metavar="JUDGE=FILE", help="ratings of the controls"
    )
    parser.add_argument(
        "--responses", nargs="*", default=[], type=Path, metavar="FILE", help="responses of runs, under such paths"
    )
    parser.add_argument("--prices", default="{}", metavar="JSON", help="prices of judges, as above")
    parser.add_argument("--missing", choices=EFFECTS, default="zero", help="score of a response without any rating")
    parser.add_argument(
        "--languages", nargs="*", default=[], type=named_language, metavar="CODE=NAME", help="order and names"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence about these ratings")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the report, without suffix")
    arguments = parser.parse_args()

    prices, names = read_prices(arguments.prices), dict(arguments.languages)
    languages = list(names)
    ratings = without_unrated(ratings_table(arguments.ratings), arguments.people)
    controls = ratings_table((judge, "controls", path) for judge, path in arguments.controls)
    everything = ratings.vstack(controls)
    tables = {
        "rated": rating_summaries(ratings),
        "controls": control_rows(controls, languages),
        "length": slope_rows(ratings, arguments.responses),
        "distribution": rating_distribution(ratings, languages),
        "agreement": agreements(ratings, arguments.people),
        "agreement with people": agreements_of_people(ratings, arguments.people, languages),
        "answered": answering_models(everything),
        "cost": judging_costs(everything, prices),
    }
    write_csv(f"{arguments.output_prefix}.csv", tables)
    shown = {name: with_language_names(rows, names) for name, rows in tables.items()}
    page = judges_page(shown, list(names.values()), arguments.missing, arguments.note)
    write_text(f"{arguments.output_prefix}.md", page)
    print(
        f"judges: {len(ratings)} ratings by {ratings['judge'].n_unique()}, {ratings['rating'].null_count()} missing",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line(main)
