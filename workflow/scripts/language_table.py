"""How often answers are in the language asked for, by run and language: PREFIX.md and PREFIX.csv.

  code decides  number of answers whose match would be another one if fenced code were treated the other way: removed
                before identification, or not (`langid.code`)
  match         share of the answers whose label, for the whole answer, belongs to the language asked for: the paper's
                0 or 1
  line pass     share of the answers with all lines in that language, among those with a line to judge
  word pass     share of the answers without an English word in lower case, among those that pass on lines in a language
                with another script than Latin
  probability   mean probability of the label, over the answers with text to identify

Line and word pass rate are those of Marchisio et al. (2024), "Understanding and Mitigating Language Confusion in
LLMs"; they leave out what langid.py left undecided. In PREFIX.csv, `lines judged` and `words judged` are the numbers of
answers that the rates are based on. Language identification does not depend on the judge: an answer rated by several
judges counts once. PREFIX.csv has the keys of the configuration, PREFIX.md names (names.py).
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.settings import read_settings
from basics.writing import write_text
from reporting.markdown import ABSENT, markdown_table
from reporting.names import Names
from reporting.order import in_order, method_place, recipe_order
from reporting.scores import KEY, read_scores

if TYPE_CHECKING:
    import polars as pl


RESPONSE = KEY[1:]  # all but the judge
CELL = ["method", "model", "recipe", "lang"]
COLUMNS = ("label", "probability", "match", "code_decides", "lines_match", "words_match")
SHARES = ("match", "line pass", "word pass", "probability")
CAPTION = (
    "Answers in the language asked for. *Code decides*: number of answers whose match would be another one if fenced"
    " code were treated the other way (removed before identification, or not). *Match*: by the label of the whole"
    " answer, as in the paper. *Line pass*: every line of the answer. *Word pass*: no English word in lower case, among"
    " the answers that pass on lines in a language not written in Latin script (both by the rules of Marchisio et al.,"
    " 2024)."
    " *Probability*: mean for the label."
)


def language_rows(scores: "pl.DataFrame", models: Sequence[str], languages: Sequence[str]) -> list[dict]:
    """One row per run and language, in the order of the summary; a share of nothing is None."""
    import polars as pl

    cells = (
        scores.unique(RESPONSE, keep="first", maintain_order=True)
        .group_by(CELL)
        .agg(
            pl.len().alias("responses"),
            pl.col("code_decides").sum().alias("code decides"),
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


def display_row(row: dict, names: Names) -> dict[str, object]:
    """A row of the csv, with names and formatted for the Markdown."""
    shares = {name: ABSENT if row[name] is None else f"{row[name]:.2f}" for name in SHARES}
    return names.shown({name: row[name] for name in (*CELL, "responses", "code decides")} | shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--names", default="{}", metavar="JSON", help="names, in order (names.py), or their file")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for below the table")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    arguments = parser.parse_args()

    import polars as pl

    names = read_settings(Names, arguments.names)
    rows = language_rows(read_scores(arguments.scores, COLUMNS), list(names.models), list(names.languages))
    write_text(f"{arguments.output_prefix}.csv", pl.DataFrame(rows, infer_schema_length=None).write_csv())
    table = markdown_table((display_row(row, names) for row in rows), right=["responses", "code decides", *SHARES])
    closing = CAPTION + (f" {arguments.note}" if arguments.note else "")
    write_text(f"{arguments.output_prefix}.md", f"{table}\n\n{closing}\n")
    print(f"languages: {len(rows)} runs and languages", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
