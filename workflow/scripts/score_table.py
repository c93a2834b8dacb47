"""The scores of all runs as tables: PREFIX.csv, PREFIX.md and PREFIX.tex.

The csv has one row per judge, run and language: the score (the sum over the prompts; where a run is repeated with other
seeds, the mean over its trainings), its bootstrap confidence interval (bootstrap.py), and the numbers of prompts
answered, of trainings, and of answers without a rating (they count as 0). It has the keys of the configuration
(names.py). The Markdown and the LaTeX (booktabs) have names, one row per model and series (wide.py) and one column per
language; a dash means that there are no answers, a star that not all prompts were answered, in which case the csv row
has no interval. The Markdown has a table for each method and family, with only the languages that it is tested in.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from basics.command_line import command_line
from basics.errors import InputError
from basics.settings import read_settings
from basics.writing import beside, write_text
from judging.ratings import BEST_RATING
from reporting.bootstrap import by_prompt, confidence_interval
from reporting.markdown import ABSENT, format_score, markdown_table
from reporting.names import Names
from reporting.order import in_order, method_place, recipe_order
from reporting.scores import KEY, read_scores, sum_by_cell
from reporting.wide import Row, wide_rows

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("judge", "method", "model", "recipe", "lang", "score", "low", "high", "prompts", "trainings", "unrated")
CAPTION = "Evaluation scores of all tuned models: the sum over {prompts} prompts, of {maximum}."
MONOLINGUAL = "Monolingual: a model of its own for each language, in English the English-only one."
STAR = "A star: not all of the prompts were answered."
CODE = "In {decided:,} of {answers:,} answers, whether the language is right depends on whether code counts."
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


Line = tuple[str, Row, dict[str, str]]  # judge, whose scores, and the formatted scores by language


def lines_of(rows: Sequence[dict], models: Sequence[str], prompts: int) -> list[Line]:
    """The lines of the tables, from the sorted rows of the csv."""
    found = []
    for judge, group in groupby(rows, key=lambda row: row["judge"]):
        cells = {
            (row["method"], row["model"], row["recipe"], row["lang"]): format_score(row["score"])
            + "*" * (row["prompts"] < prompts)
            for row in group
        }
        found += [(judge, row, scores) for row, scores in wide_rows(cells, models)]
    return found


def table_of(lines: Sequence[Line], names: Names, *columns: str) -> list[dict[str, object]]:
    """Lines as rows of a table: the named columns of judge, method, model and recipe, then a column for each language
    that one of them has a score in."""
    languages = in_order((lang for _, _, scores in lines for lang in scores), list(names.languages))
    found = []
    for judge, row, scores in lines:
        whose = {"judge": judge, "method": row.method, "model": row.model, "recipe": row.series}
        values = {names.languages.get(lang, lang): scores.get(lang, ABSENT) for lang in languages}
        found.append(names.shown({column: whose[column] for column in columns}) | values)
    return found


def markdown_page(lines: Sequence[Line], names: Names, judge: Sequence[str]) -> str:
    """A table for each method and family of models."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        _, row, _ = line
        family = names.families.get(row.model, "")
        groups.setdefault(", ".join(filter(None, (names.methods.get(row.method, row.method), family))), []).append(line)
    columns = (*judge, "model", "recipe")
    return "\n\n".join(
        f"## {title}\n\n" + markdown_table(table, right=[name for name in table[0] if name not in columns])
        for title, table in ((title, table_of(group, names, *columns)) for title, group in groups.items())
    )


def code_sentence(scores: "pl.DataFrame") -> str:
    """For how many answers the other setting of `langid.code` would give another match."""
    answers = scores.unique([name for name in KEY if name != "judge"])
    return CODE.format(decided=answers["code_decides"].sum(), answers=len(answers))


def latex_table(rows: Sequence[Mapping[str, object]], numbers: Sequence[str], caption: str) -> str:
    """The table as a longtable in booktabs style, which may span pages."""
    import pandas as pd

    frame = pd.DataFrame([{name: str(text).replace(ABSENT, "--") for name, text in row.items()} for row in rows])
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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--prompts", required=True, type=int, metavar="N", help="number of prompts per language")
    parser.add_argument("--level", required=True, type=float, metavar="SHARE", help="level of the confidence intervals")
    parser.add_argument("--resamples", required=True, type=int, metavar="N", help="number of bootstrap resamples")
    parser.add_argument("--seed", required=True, type=int, metavar="N", help="seed of the bootstrap")
    parser.add_argument("--names", default="{}", metavar="JSON", help="names, in order (names.py), or their file")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the captions")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    options = parser.parse_args(arguments)
    if options.prompts < 1:
        raise InputError(f"--prompts: {options.prompts}; give the number of prompts per language")

    names = read_settings(Names, options.names)
    scores = read_scores(options.scores, ("rating", "score", "code_decides"))
    found = [
        row
        for table in scores.partition_by("judge", maintain_order=True)
        for row in score_rows(table, options.prompts, options.level, options.resamples, options.seed)
    ]
    models = list(names.models)
    rows = sort_by_model(found, models, list(names.languages))
    with beside(f"{options.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = lines_of(rows, models, options.prompts)
    starred = any(text.endswith("*") for _, _, scores in lines for text in scores.values())
    sentences = (
        CAPTION.format(prompts=options.prompts, maximum=BEST_RATING * options.prompts),
        MONOLINGUAL * any(row.series == "monolingual" for _, row, _ in lines),
        STAR * starred,
        code_sentence(scores),
        options.note,
    )
    caption = " ".join(filter(None, sentences))
    judge = ["judge"] if len({judge for judge, _, _ in lines}) > 1 else []
    columns = (*judge, "method", "model", "recipe")
    table = table_of(lines, names, *columns)
    write_text(f"{options.output_prefix}.md", f"{markdown_page(lines, names, judge)}\n\n{caption}\n")
    numbers = [name for name in table[0] if name not in columns]
    write_text(f"{options.output_prefix}.tex", latex_table(table, numbers, caption))
    print(f"scores: {len(lines)} models and series, {len(rows)} scores", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
