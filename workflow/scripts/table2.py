"""Table 2: the answers in the wrong language that the judge rated highest, with the judge's explanation.

The judge's prompt says that instruction and response must share a language; if it rates an answer highly anyway, only
language identification removes the score (Chen et al., 2024, appendix A). Answers are sorted by rating, the highest
first; among equal ratings, the clearest case of each language (by the identifier's probability) comes first, then the
second clearest, and so on; ties are in the order of judge, method, model, recipe, lang and id. Answers without a
rating, and those without text to identify, are left out.

A prompt in another language has its English wording beside it (`english`): the English prompt with the same id, if
there is one among the scores.

Writes PREFIX.csv with the keys of the configuration, the identifier's labels and the unchanged texts, and PREFIX.md
with names (names.py) and long lines wrapped. --note is repeated below the table, for instance that a stand-in judged.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.settings import read_settings
from basics.writing import write_text
from data.languages import Language, languages_of_labels
from reporting.markdown import escape_markdown, format_score
from reporting.names import Names
from reporting.scores import KEY, read_scores

if TYPE_CHECKING:
    import polars as pl


COLUMNS = ("prompt", "response", "rating", "explanation", "label", "probability", "match")
CAPTION = "Table 2: The most highly rated answers in another language than their instruction"
LINE = 100  # characters


def highest_rated_in_wrong_language(scores: "pl.DataFrame", count: int) -> "pl.DataFrame":
    """The `count` most highly rated answers in the wrong language, in the table's order."""
    import polars as pl

    wrong = scores.filter(~pl.col("match"), pl.col("rating").is_not_null(), pl.col("label").is_not_null())
    by_rating = wrong.sort("rating", "probability", *KEY, descending=[True, True] + [False] * len(KEY))
    turn = pl.int_range(pl.len()).over("rating", "lang")  # 0 for the clearest case of each language
    ordered = by_rating.with_columns(turn.alias("turn")).sort(
        "rating", "turn", "probability", *KEY, descending=[True, False, True] + [False] * len(KEY)
    )
    english = scores.filter(lang="en").unique("id", keep="first").select("id", english="prompt")
    return (
        ordered.head(count)
        .join(english, on="id", how="left", maintain_order="left")
        .select(*KEY, "rating", "label", "probability", "prompt", "english", "response", "explanation")
    )  # coordinates first, texts last


def examples_page(rows: list[dict], names: Names, found: Mapping[str, Language], note: str) -> str:
    """The table as Markdown, one section per example, as in the paper."""
    if not rows:
        parts = ["No answer in the wrong language was rated: there is no example to show."]
    else:
        parts = [
            example_section(number, row, names, found[row["label"]].name if row["label"] in found else row["label"])
            for number, row in enumerate(rows, start=1)
        ]
    closing = f"{CAPTION}." + (f" {note}" if note else "")
    return "\n\n".join([*parts, closing]) + "\n"


def example_section(number: int, row: dict, names: Names, answered: str) -> str:
    """One answer: its run, the texts, the rating; `answered` is the language of the response."""
    shown = names.shown(row)
    where = f"{shown['method']}, {shown['model']}, {shown['recipe']}, prompt {escape_markdown(row['id'])}"
    english = row["english"] if row["lang"] != "en" else None
    return "\n\n".join(
        [
            f"### {number}. Asked in {shown['language']}, answered in {answered} ({row['probability']:g})",
            where,
            f"Instruction:\n\n{verbatim(row['prompt'])}",
            *([f"In English:\n\n{verbatim(english)}"] if english else []),
            f"Response:\n\n{verbatim(row['response'])}",
            f"Explanation of the judge ({row['judge']}):\n\n{verbatim(row['explanation'] or '')}",
            f"Rating: **{format_score(row['rating'])}**",
        ]
    )


def verbatim(text: str) -> str:
    """Text in a fence longer than any inside it, so that nothing in a model's answer is read as Markdown."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, LINE, break_on_hyphens=False) or [""]]
    return "\n".join([f"{fence}text", *lines, fence])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--names", default="{}", metavar="JSON", help="names (names.py), or their file")
    parser.add_argument("--languages", type=Path, metavar="FILE", help="language table, to name languages of answers")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labels of another identifier than OpenLID")
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="answers to show (default: %(default)s)")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for below the table")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    arguments = parser.parse_args()

    import polars as pl

    names = read_settings(Names, arguments.names)
    found = languages_of_labels(arguments.languages, arguments.labels) if arguments.languages else {}
    table = highest_rated_in_wrong_language(read_scores(arguments.scores, COLUMNS), arguments.rows)
    formatted = table.with_columns(rating=pl.col("rating").map_elements(format_score, pl.String))
    write_text(f"{arguments.output_prefix}.csv", formatted.write_csv())
    write_text(f"{arguments.output_prefix}.md", examples_page(table.to_dicts(), names, found, arguments.note))
    print(f"table2: {len(table)} answers in the wrong language", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
