"""What the figures, the tables and the summary share: reading scores, and writing aligned Markdown.

A score table is a parquet file with one row a response, as score.py writes it: its coordinates (judge, method,
model, recipe, lang, id), prompt, response, response_sha256, decoding; rating (1-3, the mean of `ratings`, or null),
explanation, judge_model, fingerprint; label, probability, match, lines_match, words_match (bools, the last two or
null); score (rating times match). Many of them, one a run, or one of them all together are read alike.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from files import InputError, read_parquet

if TYPE_CHECKING:
    import polars as pl

METHODS = {"lora": "LoRA", "full": "Full-parameter"}  # the paper's names
KEY = ("judge", "method", "model", "recipe", "lang", "id")  # what makes a row of a score table unique
COLUMNS = {  # of a score table, with the kind of each
    **dict.fromkeys(KEY, str),
    "prompt": str,
    "response": str,
    "response_sha256": str,
    "decoding": str | None,
    "rating": float | None,
    "ratings": list,
    "explanation": str | None,
    "judge_model": str | None,
    "fingerprint": str | None,
    "label": str | None,
    "probability": float,
    "match": bool,
    "lines_match": bool | None,
    "words_match": bool | None,
    "score": float | None,
}
SERIES_OF_KIND = {  # what a figure compares, by its kind, unless it says so itself
    "size": ("multilingual", "monolingual", "English", "downsampled"),
    "unseen": ("multilingual", "English", "downsampled"),
    "consistency": ("multilingual", "monolingual", "English", "downsampled"),
    "family": ("multilingual", "monolingual", "downsampled"),
    "sweep": ("English",),
}
LAST = ("multilingual", "downsampled")  # recipes, after the monolingual ones
ABSENT = "–"
LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")  # all that str.splitlines knows


def read_scores(paths: Iterable[Path | str], columns: Sequence[str] = ()) -> "pl.DataFrame":
    """Read score tables: the key columns and `columns`, rows in the order of the files.

    Raises InputError naming the file when one cannot be read or lacks a column, and when two rows score the
    same response.
    """
    import polars as pl

    wanted = {name: COLUMNS[name] for name in (*KEY, *columns)}
    tables = [(path, read_table(path, wanted).select(list(wanted))) for path in paths]
    path = tables[-1][0]
    scores = pl.concat([table for _, table in tables], how="vertical_relaxed")
    twice = scores.filter(scores.select(KEY).is_duplicated()).select(KEY)
    if len(twice):
        first = "/".join(str(value) for value in twice.row(0))
        raise InputError(f"{path}: {first} is scored more than once; give each score table once")
    return scores


def read_table(path: Path | str, columns: Mapping = COLUMNS) -> "pl.DataFrame":
    """One score table. Raises InputError naming the file, and the column at fault."""
    return read_parquet(path, columns, "make it again with score.py")


def recipe_of(series: str, lang: str) -> str:
    """The training recipe whose model answers prompts in `lang` for a series of the figures."""
    return {"monolingual": f"mono-{lang}", "English": "mono-en"}.get(series, series)


def in_order(values: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The values, each once: those `wanted` first, in that order."""
    return sorted(dict.fromkeys(values), key=lambda value: wanted.index(value) if value in wanted else len(wanted))


def method_place(method: str) -> tuple[int, str]:
    """Sort key: the methods in the paper's order, then any other."""
    return (list(METHODS).index(method) if method in METHODS else len(METHODS), method)


def recipe_order(languages: Sequence[str]) -> Callable[[str], int]:
    """Sort key: monolingual recipes by language, then multilingual, downsampled, and any other."""
    order = [*(f"mono-{lang}" for lang in languages), "mono-(own)", *LAST]
    return lambda recipe: order.index(recipe) if recipe in order else len(order)


def plain(number: float) -> str:
    """A rating or score for a reader: at most two decimals, and none where it is whole."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def literal(text: object) -> str:
    """A text in one line that Markdown shows as it is, whatever is written in it."""
    line = "".join(character if character.isprintable() else "\ufffd" for character in " ".join(str(text).split()))
    return re.sub(r"([\\`*_\[\]<&$~])", r"\\\1", line)


def markdown_table(rows: Iterable[Mapping[str, object]], right: Iterable[str] = ()) -> str:
    """Rows as a Markdown table whose columns line up in a terminal too; the columns `right` are right-aligned."""
    from tabulate import tabulate

    rows = list(rows)
    right = set(right)
    cells = [{key: LINE_END.sub(" ", str(value)).replace("|", "\\|") for key, value in row.items()} for row in rows]
    align = ["right" if key in right else "left" for key in cells[0]]
    return tabulate(cells, headers="keys", tablefmt="pipe", colalign=align, disable_numparse=True)
