"""The scores of all runs as tables: PREFIX.csv, PREFIX.md and PREFIX.tex.

The csv has one row per judge, run and language: the score (the sum over the prompts; where a run is repeated with other
seeds, the mean over its trainings), its bootstrap confidence interval (bootstrap.py), and the numbers of prompts
answered, of trainings, and of answers without a rating (they count as 0). The
Markdown and the LaTeX (booktabs) have one row per tuned model and one column per language; a dash means that a run has
no answers, a star that it has not answered all prompts, in which case the csv row has no interval.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from basics.command_line import command_line
from basics.errors import InputError
from basics.writing import beside, write_text
from judging.ratings import BEST_RATING
from reporting.bootstrap import by_prompt, confidence_interval
from reporting.markdown import ABSENT, format_score, markdown_table
from reporting.order import in_order, method_place, recipe_order
from reporting.scores import read_scores, sum_by_cell
from study.series import METHODS

COLUMNS = ("judge", "method", "model", "recipe", "lang", "score", "low", "high", "prompts", "trainings", "unrated")
CAPTION = "Evaluation scores of all tuned models: the sum over {prompts} prompts, of {maximum}."
STAR = "A star: not all of the prompts were answered."
SPECIAL = {letter: f"\\{letter}" for letter in "%_&#${}"} | {
    letter: f"\\text{name}{{}}"
    for letter, name in (
        ("\\", "backslash"),
        ("~", "asciitilde"),
        ("^", "asciicircum"),
        ("<", "less"),
        (">", "greater"),
    )
}


def score_rows(table, prompts: int, level: float, resamples: int, seed: int) -> list[dict]:
    """One judge's rows of the csv, unordered."""
    scores = by_prompt(table, prompts)
    drawn = scores.resamples({"resamples": resamples, "seed": seed})
    rows = []
    for *cell, score, answered, trainings in sum_by_cell(table).iter_rows():
        values = scores.values(tuple(cell))
        ends = (None, None) if values is None else confidence_interval(drawn.sums(values), level, prompts)
        low, high = (None if end is None else round(end, 6) for end in ends)
        known = (score, low, high, answered, trainings, scores.unrated[tuple(cell)])
        rows.append(dict(zip(COLUMNS, (table["judge"][0], *cell, *known), strict=True)))
    return rows


def sort_by_model(rows: Sequence[dict], models: Sequence[str], languages: Sequence[str]) -> list[dict]:
    """Sort rows by judge, method, model, recipe and language."""
    judges = list(dict.fromkeys(row["judge"] for row in rows))
    models = in_order([row["model"] for row in rows], models)
    languages, place = in_order([row["lang"] for row in rows], languages), recipe_order(languages)

    def order(row: dict) -> tuple:
        run = (judges.index(row["judge"]), method_place(row["method"]), models.index(row["model"]))
        return (*run, place(row["recipe"]), row["recipe"], languages.index(row["lang"]))

    return sorted(rows, key=order)


def wide_table(
    rows: Sequence[dict], languages: Sequence[str], prompts: int, names: dict[str, str]
) -> list[dict[str, str]]:
    """One row per tuned model, one column per language."""
    languages = in_order([row["lang"] for row in rows], languages)
    judges = {row["judge"] for row in rows}
    found = []
    for run, cells in groupby(rows, key=lambda row: (row["judge"], row["method"], row["model"], row["recipe"])):
        scores = {cell["lang"]: format_score(cell["score"]) + "*" * (cell["prompts"] < prompts) for cell in cells}
        coordinates = dict(zip(("judge", "method", "model", "recipe"), run, strict=True))
        coordinates["method"] = METHODS.get(coordinates["method"], coordinates["method"])
        if len(judges) == 1:
            del coordinates["judge"]
        found.append(coordinates | {names.get(lang, lang): scores.get(lang, ABSENT) for lang in languages})
    return found


def latex_table(rows: Sequence[dict[str, str]], numbers: Sequence[str], caption: str) -> str:
    """The table as a longtable in booktabs style, which may span pages."""
    import pandas as pd

    frame = pd.DataFrame([{name: text.replace(ABSENT, "--") for name, text in row.items()} for row in rows])
    escaped = caption.translate(str.maketrans(SPECIAL))
    table = frame.style.hide(axis="index")
    table.format(escape="latex").format_index(escape="latex", axis="columns")
    aligned = "".join("r" if name in numbers else "l" for name in rows[0])
    options: dict[str, Any] = {
        "hrules": True,
        "environment": "longtable",
        "column_format": aligned,
        "label": "tab:scores",
    }
    return "% \\usepackage{booktabs, longtable}\n" + table.to_latex(caption=escaped, **options)


def named_language(text: str) -> tuple[str, str]:
    """Split CODE=NAME of a language."""
    code, equals, name = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not CODE=NAME")
    return code, name


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--prompts", required=True, type=int, metavar="N", help="number of prompts per language")
    parser.add_argument("--level", required=True, type=float, metavar="SHARE", help="level of the confidence intervals")
    parser.add_argument("--resamples", required=True, type=int, metavar="N", help="number of bootstrap resamples")
    parser.add_argument("--seed", required=True, type=int, metavar="N", help="seed of the bootstrap")
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME", help="order of the models")
    parser.add_argument(
        "--languages", nargs="*", default=[], type=named_language, metavar="CODE=NAME", help="order and names"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the captions")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    options = parser.parse_args(arguments)
    if options.prompts < 1:
        raise InputError(f"--prompts: {options.prompts}; give the number of prompts per language")

    names = dict(options.languages)
    scores = read_scores(options.scores, ("rating", "score"))
    found = [
        row
        for table in scores.partition_by("judge", maintain_order=True)
        for row in score_rows(table, options.prompts, options.level, options.resamples, options.seed)
    ]
    rows = sort_by_model(found, options.models, list(names))
    with beside(f"{options.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    table = wide_table(rows, list(names), options.prompts, names)
    numbers = [name for name in table[0] if name not in ("judge", "method", "model", "recipe")]
    starred = any(text.endswith("*") for row in table for text in row.values())
    sentences = (
        CAPTION.format(prompts=options.prompts, maximum=BEST_RATING * options.prompts),
        STAR * starred,
        options.note,
    )
    caption = " ".join(filter(None, sentences))
    write_text(f"{options.output_prefix}.md", f"{markdown_table(table, right=numbers)}\n\n{caption}\n")
    write_text(f"{options.output_prefix}.tex", latex_table(table, numbers, caption))
    print(f"scores: {len(table)} tuned models, {len(rows)} scores", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
