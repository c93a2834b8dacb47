"""How often answers are in the language asked for, of each run in each language: PREFIX.md and PREFIX.csv.

  match         share of the answers whose label, given to the whole answer, is one of the language asked for: the
                paper's 0 or 1
  line pass     share of the answers, among those with a line to judge, all of whose lines are in that language
  word pass     share of the answers, among those that pass on lines and are asked for in a script other than Latin,
                with no lower-case word in Latin letters
  probability   mean probability of the label, over the answers in which there was something to identify

Line and word pass rate are those of Marchisio et al. (2024), "Understanding and Mitigating Language Confusion in
LLMs"; what langid.py left undecided is left out of them. In PREFIX.csv, `lines judged` and `words judged` say of how
many answers they are shares. Language identification does not depend on the judge: where several rated an answer, it
counts once.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.writing import write_text
from reporting.markdown import ABSENT, markdown_table
from reporting.order import in_order, method_place, recipe_order
from reporting.scores import KEY, read_scores

if TYPE_CHECKING:
    import polars as pl


RESPONSE = KEY[1:]  # all but the judge
CELL = ["method", "model", "recipe", "lang"]
COLUMNS = ("label", "probability", "match", "lines_match", "words_match")
SHARES = ("match", "line pass", "word pass", "probability")
CAPTION = (
    "Answers in the language asked for. *Match*: by the label of the whole answer, as in the paper. *Line pass*: every"
    " line of the answer. *Word pass*: no lower-case Latin word, of the answers that pass on lines in a language"
    " that is not written in Latin script (both after Marchisio et al., 2024). *Probability*: mean, of the label."
)


def language_rows(scores: "pl.DataFrame", models: Sequence[str], languages: Sequence[str]) -> list[dict]:
    """One row a run and language, in the order of the summary; a share of nothing is None."""
    import polars as pl

    cells = (
        scores.unique(RESPONSE, keep="first", maintain_order=True)
        .group_by(CELL)
        .agg(
            pl.len().alias("responses"),
            pl.col("match").mean(),
            pl.col("lines_match").mean().alias("line pass"),
            pl.col("lines_match").count().alias("lines judged"),
            pl.col("words_match").mean().alias("word pass"),
            pl.col("words_match").count().alias("words judged"),
            pl.col("probability").filter(pl.col("label").is_not_null()).mean().round(6),
        )
    )
    models, languages = in_order(scores["model"], models), in_order(scores["lang"], languages)
    place = recipe_order(languages)

    def order(row: dict) -> tuple:
        run = (method_place(row["method"]), models.index(row["model"]), place(row["recipe"]), row["recipe"])
        return (*run, languages.index(row["lang"]))

    return sorted(cells.to_dicts(), key=order)


def display_row(row: dict) -> dict[str, object]:
    """A row for a reader."""
    shares = {name: ABSENT if row[name] is None else f"{row[name]:.2f}" for name in SHARES}
    return {name: row[name] for name in (*CELL, "responses")} | shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME", help="order of the models")
    parser.add_argument("--languages", nargs="*", default=[], metavar="CODE", help="order of the languages")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for below the table")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    arguments = parser.parse_args()

    import polars as pl

    rows = language_rows(read_scores(arguments.scores, COLUMNS), arguments.models, arguments.languages)
    write_text(f"{arguments.output_prefix}.csv", pl.DataFrame(rows, infer_schema_length=None).write_csv())
    table = markdown_table(map(display_row, rows), right=["responses", *SHARES])
    closing = CAPTION + (f" {arguments.note}" if arguments.note else "")
    write_text(f"{arguments.output_prefix}.md", f"{table}\n\n{closing}\n")
    print(f"languages: {len(rows)} runs and languages", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
