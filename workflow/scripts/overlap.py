"""Overlap of test prompts and training rows, and rows that repeat, by language: PREFIX.{md,csv}, PREFIX-pairs.csv.

A prompt is compared with what a row asks: its instruction, and its instruction and input together. Outputs are not
compared. Case, punctuation, spacing and forms of the same characters do not count. Two texts are near duplicates if
their sets of character n-grams (five characters; two in Chinese and Japanese) have a Jaccard similarity of at least
--threshold. All pairs are compared exactly, without MinHash.

  copied           number of prompts that are also a row's instruction, or instruction and input
  near             number of prompts that have a near duplicate, copies included
  by instruction   those of them that are near some row's instruction alone
  with input       those of them that are near some row's instruction and input; a prompt may be both
  within           number of prompts of whose n-grams one row has at least the share --threshold, copies included: a
                   prompt quoted in a longer row counts here, and is not near it (PaLM's share of 70 %, Chowdhery et
                   al., 2022)
  highest          highest similarity of a prompt and a row
  rows repeated    rows whose instruction and input an earlier row has
  rows near        other rows whose instruction and input are a near duplicate of an earlier row's

PREFIX-pairs.csv has the nearest row of each prompt, however far, and all other near duplicates: both ids, the row's
part, similarity, `covered` (the share of the prompt's n-grams that the row has), and the beginnings of both texts. A
language without prompts or without rows has empty cells: of a language that is only tested, no row is trained on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line, files_by_language, language_file
from basics.errors import InputError
from basics.reading import read_jsonl
from basics.writing import write_text
from data import prompts as test_prompts
from data.languages import labels_of, read_table
from data.rows import FIELDS
from data.similarity import GramTable, compared, gram_size, near_an_earlier, similarities
from reporting.markdown import ABSENT, markdown_table
from reporting.names import Names

if TYPE_CHECKING:
    import polars as pl

PARTS = ("instruction", "instruction and input")
OF_PROMPTS = ("copied", "near", "by instruction", "with input", "within")
OF_ROWS = ("rows repeated", "rows near")
PAIR = ("lang", "prompt", "row", "part", "similarity", "covered", "prompt_text", "row_text")
SHOWN = 200  # characters of a text in the list of pairs
CAPTION = (
    "Overlap of test prompts and training rows. *Copied*: prompts that a row repeats. *Near*: prompts with a near"
    " duplicate (Jaccard similarity of character n-grams of at least {threshold:g}), by the row's instruction alone or"
    " with its input. *Within*: prompts of whose n-grams a row has at least {percent:g} %. *Highest*: highest"
    " similarity of a prompt and a row. *Rows repeated*: rows whose instruction and input an earlier row has; *rows"
    " near*: other rows that are a near duplicate of an earlier one. –: no prompts or no rows in the language."
)


def asked(rows: Sequence[dict]) -> list[tuple[int, str, str]]:
    """What rows ask, as (position of the row, part, text): every instruction, and the input with it where there is
    one."""
    texts = []
    for place, row in enumerate(rows):
        texts.append((place, PARTS[0], row["instruction"]))
        if row["input"].strip():
            texts.append((place, PARTS[1], whole(row)))
    return texts


def whole(row: dict) -> str:
    """A row's instruction and input."""
    return f"{row['instruction']}\n{row['input']}"


def prompt_pairs(prompts: Sequence[dict], rows: Sequence[dict], size: int, threshold: float) -> "pl.DataFrame":
    """The nearest text of a row for each prompt that shares an n-gram with any, and all near duplicates.

    Columns: here (position of the prompt), place (of the row), part, similarity, covered, within (whether some row
    covers at least the share `threshold` of the prompt), and the row's text.
    """
    import polars as pl

    texts = asked(rows)
    grams = GramTable(size)
    here = grams.table([compared(prompt["prompt"]) for prompt in prompts])
    pairs = similarities(here, grams.table([compared(text) for _, _, text in texts]))
    pairs = pairs.sort("here", -pl.col("similarity"), "there").with_columns(
        within=pl.col("covered").max().over("here") >= threshold, nearest=pl.int_range(pl.len()).over("here") == 0
    )
    kept = pairs.filter(pl.col("nearest") | (pl.col("similarity") >= threshold))
    found = [texts[there] for there in kept["there"]]
    return kept.select("here", "similarity", "covered", "within").with_columns(
        pl.Series("place", [place for place, _, _ in found], dtype=pl.Int64),
        pl.Series("part", [part for _, part, _ in found], dtype=pl.String),
        pl.Series("row_text", [text for _, _, text in found], dtype=pl.String),
    )


def prompt_counts(pairs: "pl.DataFrame", copies: int, threshold: float) -> dict[str, object]:
    """The columns of the table that are about prompts."""
    import polars as pl

    near = pairs.filter(pl.col("similarity") >= threshold)
    by_part = [near.filter(part=part)["here"].n_unique() for part in PARTS]
    within = pairs.filter("within")["here"].n_unique()
    counts = dict(zip(OF_PROMPTS, (copies, near["here"].n_unique(), *by_part, within), strict=True))
    return counts | {"highest": round(max(pairs["similarity"], default=0.0), 4)}


def copied(prompts: Sequence[dict], rows: Sequence[dict]) -> int:
    """Number of prompts that are a row's instruction, or instruction and input."""
    texts = {compared(text) for _, _, text in asked(rows)}
    return sum(compared(prompt["prompt"]) in texts for prompt in prompts)


def row_counts(rows: Sequence[dict], size: int, threshold: float) -> dict[str, int]:
    """The columns of the table that are about rows."""
    texts = list(dict.fromkeys(compared(whole(row)) for row in rows))
    near = near_an_earlier(GramTable(size).table(texts), threshold)
    return {"rows repeated": len(rows) - len(texts), "rows near": len(near)}


def overlap_of(lang: str, prompts: Sequence[dict], rows: Sequence[dict], size: int, threshold: float):
    """A language's line of the table, and its pairs. Empty `prompts` or `rows` are those that a study does not have."""
    line: dict[str, object] = {"lang": lang, "prompts": len(prompts), "rows": len(rows)}
    line |= dict.fromkeys((*OF_PROMPTS, "highest", *OF_ROWS))
    listed: list[dict] = []
    if prompts and rows:
        pairs = prompt_pairs(prompts, rows, size, threshold)
        line |= prompt_counts(pairs, copied(prompts, rows), threshold)
        for pair in pairs.to_dicts():
            prompt, row = prompts[pair["here"]], rows[pair["place"]]
            values = (pair["part"], round(pair["similarity"], 4), round(pair["covered"], 4))
            texts = (" ".join(text.split())[:SHOWN] for text in (prompt["prompt"], pair["row_text"]))
            listed.append(dict(zip(PAIR, (lang, prompt["id"], row["id"], *values, *texts), strict=True)))
    if rows:
        line |= row_counts(rows, size, threshold)
    return line, listed


def display(value: object) -> object:
    """A value of the csv, formatted for the Markdown."""
    return ABSENT if value is None else f"{value:.2f}" if isinstance(value, float) else value


def share(argument: str) -> float:
    """A number above 0 and up to 1; the `type` of an argparse argument."""
    if not 0 < float(argument) <= 1:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1")
    return float(argument)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, content in (
        ("--prompts", "test prompts (id, prompt)"),
        ("--rows", "training rows, as recipes read them"),
    ):
        parser.add_argument(
            option,
            type=language_file,
            action="append",
            default=[],
            metavar="CODE=FILE",
            help=f"{content} of a language, JSON lines",
        )
    parser.add_argument("--languages", required=True, type=Path, help="language table, for the script of a language")
    parser.add_argument("--threshold", type=share, default=0.7, help="similarity of near duplicates (default: 0.7)")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    arguments = parser.parse_args()
    prompts = files_by_language(arguments.prompts, "--prompts")
    rows = files_by_language(arguments.rows, "--rows")
    if not (prompts or rows):
        raise InputError("--prompts, --rows: there is no file; give at least one of either")

    import polars as pl

    languages = read_table(arguments.languages)
    table = {code: list(entry["labels"]) for code, entry in languages.items()}
    lines, pairs = [], []
    for lang in dict.fromkeys([*rows, *prompts]):
        size = gram_size(labels_of(lang, table, arguments.languages))
        asks = read_jsonl(prompts[lang], test_prompts.FIELDS | {"prompt": str}, "prompts") if lang in prompts else []
        trained = read_jsonl(rows[lang], {"id": int} | dict.fromkeys(FIELDS, str), "rows") if lang in rows else []
        line, listed = overlap_of(lang, asks, trained, size, arguments.threshold)
        lines.append(line)
        pairs += listed
        print(f"{lang}: {len(asks):,} prompts and {len(trained):,} rows compared", file=sys.stderr)

    write_text(f"{arguments.output_prefix}.csv", pl.DataFrame(lines, infer_schema_length=None).write_csv())
    write_text(
        f"{arguments.output_prefix}-pairs.csv",
        pl.DataFrame(pairs, schema=list(PAIR), infer_schema_length=None).write_csv(),
    )
    names = {code: entry["name"] for code, entry in languages.items() if "name" in entry}
    shown = [Names(languages=names).shown({key: display(value) for key, value in line.items()}) for line in lines]
    caption = CAPTION.format(threshold=arguments.threshold, percent=100 * arguments.threshold)
    write_text(f"{arguments.output_prefix}.md", f"{markdown_table(shown, right=list(lines[0])[1:])}\n\n{caption}\n")
    print(f"overlap: {sum(line['near'] or 0 for line in lines)} prompts with a near duplicate", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
