"""Score tables, as score.py writes them.

A score table is a parquet file with one row per response: its coordinates (judge, method, model, recipe; seed of the
training, null if it is not known; lang, id), prompt, response, response_sha256, decoding; rating (1-3, the mean of
`ratings`, or null), explanation, judge_model, fingerprint; label, probability, match, code_decides, lines_match,
words_match (bools, the last two or null); score (rating times match). Many files, one per run, and a single file with
all runs are read in the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from basics.errors import InputError
from basics.tables import read_parquet

if TYPE_CHECKING:
    import polars as pl

KEY = ("judge", "method", "model", "recipe", "seed", "lang", "id")  # the primary key of a score table
COLUMNS = {  # of a score table, with their types
    **dict.fromkeys(KEY, str),
    "seed": int | None,
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
    "code_decides": bool,
    "lines_match": bool | None,
    "words_match": bool | None,
    "score": float | None,
}


def read_scores(paths: Iterable[Path | str], columns: Sequence[str] = ()) -> "pl.DataFrame":
    """Read score tables: the key columns and `columns`, with rows in the order of the files.

    Raises InputError naming the file if one cannot be read or lacks a column, or if a response is scored twice.
    """
    import polars as pl

    wanted = {name: COLUMNS[name] for name in (*KEY, *columns)}
    tables = [(path, read_table(path, wanted).select(list(wanted))) for path in paths]
    path = tables[-1][0]
    scores = pl.concat([table for _, table in tables], how="vertical_relaxed")
    if twice := scored_twice(scores):
        raise InputError(f"{path}: {twice} is scored more than once; give each score table once")
    return scores


def scored_twice(scores: "pl.DataFrame") -> str | None:
    """The key of the first response that is in a table more than once."""
    twice = scores.filter(scores.select(KEY).is_duplicated()).select(KEY)
    return "/".join(str(value) for value in twice.row(0) if value is not None) if len(twice) else None


def sum_by_cell(scores: "pl.DataFrame") -> "pl.DataFrame":
    """One judge's scores by method, model, recipe and lang: `score`, the sum over the prompts, as a mean over the
    `trainings`; and `prompts`, how many the training with the fewest has answered."""
    import polars as pl

    cell = ["method", "model", "recipe", "lang"]
    sums = scores.group_by(*cell, "seed").agg(pl.col("score").sum(), prompts=pl.len())
    return sums.group_by(cell).agg(pl.col("score").mean().round(6), pl.col("prompts").min(), trainings=pl.len())


def read_table(path: Path | str, columns: Mapping = COLUMNS) -> "pl.DataFrame":
    """One score table. Raises InputError naming the file, and the column at fault."""
    return read_parquet(path, columns, "make it again with score.py")
