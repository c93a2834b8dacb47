"""The results of a run on one page of Markdown, also readable in a terminal.

The page lists the figures, the tables and, with --answers, the page of answers. Then it gives the evaluation score of
each model in each language (the sum over the prompts, and its maximum), how often answers are in the language asked
for, and how many ratings are missing. With --costs and --judge-report, it gives the total cost of the trainings and the
judges, and names the judges that left out more ratings than --missing-tolerated, and those that cannot tell good
answers from bad ones, as planted controls show. --note comes first, for instance that a stand-in judged. Each judge's
scores have their own section.

Rows and columns are in the order of --names (names.py); all others follow in the order of the scores.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.settings import read_settings
from basics.tables import read_csv
from basics.writing import write_text
from judging.ratings import BEST_RATING
from reporting.controls import warnings
from reporting.costs import cost_totals, read_costs
from reporting.markdown import ABSENT, format_score, markdown_table
from reporting.names import SERIES, Names, with_language_names
from reporting.order import in_order, method_place
from reporting.scores import read_scores, sum_by_cell
from reporting.wide import wide_rows

if TYPE_CHECKING:
    import polars as pl


def artifact_list(paths: Sequence[str]) -> list[str]:
    """One line per figure or table, with all its formats."""
    return [
        f"- {stem}.{{{','.join(Path(path).suffix[1:] for path in group)}}}"
        for stem, group in groupby(paths, key=lambda path: path.removesuffix(Path(path).suffix))
    ]


def score_rows(scores: "pl.DataFrame", names: Names) -> list[dict]:
    """One row per model and series (wide.py): the score in each language, with a star for fewer prompts than others."""
    cells = sum_by_cell(scores)
    found = {(row["method"], row["model"], row["recipe"], row["lang"]): row for row in cells.iter_rows(named=True)}
    languages = in_order(scores["lang"], list(names.languages))
    expected = cells["prompts"].max()

    def format_cell(cell: dict | None) -> str:
        return ABSENT if cell is None else f"{format_score(cell['score'])}{'*' if cell['prompts'] < expected else ''}"

    return [
        names.shown({"method": row.method, "model": row.model, "recipe": row.series})
        | {names.languages.get(lang, lang): format_cell(values.get(lang)) for lang in languages}
        for row, values in wide_rows(found, list(names.models))
    ]


def consistency_rows(scores: "pl.DataFrame", names: Names) -> list[dict]:
    """One row per method and recipe: the share of answers in the language asked for, for each language but English, and
    over all of these.

    The monolingual models other than the English one answer only in their own language; they share a row.
    """
    import polars as pl

    others = [lang for lang in in_order(scores["lang"], list(names.languages)) if lang != "en"]
    own = pl.col("recipe").str.starts_with("mono-") & (pl.col("recipe") != "mono-en")
    foreign = scores.filter(pl.col("lang") != "en").with_columns(
        recipe=pl.when(own).then(pl.lit("monolingual")).otherwise(pl.col("recipe"))
    )
    tables = foreign.partition_by("method", "recipe", as_dict=True)
    order = [*SERIES, *sorted({recipe for _, recipe in tables} - SERIES.keys() - {"mono-en"})]
    order[order.index("English")] = "mono-en"
    rows = []
    for method, recipe in sorted(tables, key=lambda key: (method_place(key[0]), order.index(key[1]))):
        table = tables[method, recipe]
        matches = {lang: table.filter(pl.col("lang") == lang)["match"] for lang in others}
        shares = {
            names.languages.get(lang, lang): f"{match.mean():.2f}" if len(match) else ABSENT
            for lang, match in matches.items()
        }
        run = names.shown({"method": method, "recipe": recipe})
        rows.append(run | shares | {"all": f"{table['match'].mean():.2f}"})
    return rows


def judge_section(scores: "pl.DataFrame", names: Names, stand_in: str) -> list[str]:
    """One judge's scores: the table, the share of answers in the right language, the missing ratings."""
    import polars as pl

    rows = score_rows(scores, names)
    languages = list(rows[0])[3:]
    prompts = max(sum_by_cell(scores)["prompts"].to_list())
    unrated = scores["rating"].null_count()
    text = [
        f"Evaluation score{stand_in}: the sum over {prompts} prompts; the maximum is {BEST_RATING * prompts}.",
        markdown_table(rows, right=languages),
    ]
    if any(row[lang].endswith("*") for row in rows for lang in languages):
        text.append("\\* fewer prompts than the others")
    shares = consistency_rows(scores, names)
    if shares:
        text += [
            "Share of answers in the language asked for, over the test languages other than English:",
            markdown_table(shares, right=[*languages, "all"]),
        ]
    counted = scores.filter(pl.col("rating").is_null())["score"].sum()
    effect = f"; they add {format_score(float(counted))} to the scores" if unrated else ""
    return [*text, f"Missing ratings: {unrated} of {len(scores)} ({unrated / len(scores):.1%}){effect}."]


def training_cost(path: str) -> str:
    """The cost of all trainings in one sentence, from the csv of costs.py."""
    spent = cost_totals(list(read_costs(path).values()))
    if spent["device"] == ABSENT:
        return "None of the trainings was measured."
    return (
        f"Trainings: {spent['models']} models measured, {spent['device-hours']} device-hours ({spent['device']}),"
        f" {spent['tokens']} tokens."
    )


def read_judge_report(path: str) -> list[dict]:
    """The numbers in the csv of judge_report.py."""
    columns = {"table": str, "judge": str, "language": str, "measure": str, "value": float}
    return read_csv(path, columns, "make it again with judge_report.py")


def missing_warnings(rows: Sequence[dict], tolerated: float) -> list[str]:
    """A sentence for each judge of whose responses more than the tolerated share have no rating."""
    counts: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["table"] == "rated":
            counts.setdefault(row["judge"], {})[row["measure"]] = row["value"]
    shares = {judge: count["responses without any"] / count["responses"] for judge, count in counts.items()}
    return [
        f"**{judge} gave no rating to {share:.1%} of the responses, of which {tolerated:.1%} are tolerated"
        " (`score.missing_tolerated`): differences may be due to what is missing.** See judges.md."
        for judge, share in shares.items()
        if share > tolerated
    ]


def judge_warnings(rows: Sequence[dict]) -> list[str]:
    """A sentence for each judge that cannot tell good answers from bad ones, from the numbers on planted controls."""
    controls: dict[tuple, dict] = {}
    for row in rows:
        if row["table"] == "controls":
            whose = {name: row[name] for name in ("judge", "language")}
            controls.setdefault(tuple(whose.values()), whose)[row["measure"]] = row["value"]
    return [f"**{sentence}** See judges.md." for sentence in warnings(controls.values())]


def judging_cost(rows: Sequence[dict]) -> str:
    """The cost of each judge in one sentence."""
    costs = [
        f"{row['judge']}, price unknown" if row["value"] is None else f"{row['judge']} {row['value']:.2f} US dollars"
        for row in rows
        if (row["table"], row["measure"]) == ("cost", "US dollars")
    ]
    return f"Judges: {'; '.join(costs)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--figures", nargs="*", default=[], metavar="FILE", help="files of the figures to list")
    parser.add_argument("--tables", nargs="*", default=[], metavar="FILE", help="files of the tables to list")
    parser.add_argument("--answers", metavar="FILE", help="the page of answers (answer_browser.py), to name it")
    parser.add_argument("--costs", metavar="FILE", help="the csv of costs.py")
    parser.add_argument("--judge-report", metavar="FILE", help="the csv of judge_report.py")
    parser.add_argument(
        "--missing-tolerated",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="share of a judge's responses that may lack a rating (default: 0.02)",
    )
    parser.add_argument("--judge", required=True, metavar="LABEL", help="label of the judge")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence about these results")
    parser.add_argument("--names", default="{}", metavar="JSON", help="names, in order (names.py), or their file")
    parser.add_argument("--output", required=True, metavar="FILE", help="Markdown")
    arguments = parser.parse_args()

    names = read_settings(Names, arguments.names)
    scores = read_scores(arguments.scores, ("rating", "match", "score"))
    judges = scores.partition_by("judge", maintain_order=True)
    parts = ["# Results"]
    if arguments.note:
        parts.append(f"**{arguments.note}**")
    parts.append(f"Judge: {arguments.judge}")
    judged = read_judge_report(arguments.judge_report) if arguments.judge_report else []
    judged = with_language_names(judged, names.languages)
    parts += missing_warnings(judged, arguments.missing_tolerated) + judge_warnings(judged)
    for title, paths in (("Figures", arguments.figures), ("Tables", arguments.tables)):
        if paths:
            parts += [f"## {title}", "\n".join(artifact_list(paths))]
    if arguments.answers:
        parts += ["## Answers", f"- {arguments.answers}: all answers, side by side with their ratings, in a browser"]
    stand_in = " by the stand-in judge" if "stand-in" in f"{arguments.judge} {arguments.note}".lower() else ""
    for table in judges:
        parts.append("## Scores" if len(judges) == 1 else f"## Scores by {table['judge'][0]}")
        parts += judge_section(table, names, stand_in if len(judges) == 1 else "")
    costs = [training_cost(arguments.costs)] if arguments.costs else []
    costs += [judging_cost(judged)] if judged else []
    if costs:
        parts += ["## Cost", " ".join(costs)]
    write_text(arguments.output, "\n\n".join(parts) + "\n")
    print(f"summary: {len(scores)} answers, {scores['rating'].null_count()} without a rating", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
