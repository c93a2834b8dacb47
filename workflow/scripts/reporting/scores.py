"""Score tables, as score.py writes them.

A score table is a parquet file with one row per response: its coordinates (judge, method, model, recipe, lang, id),
prompt, response, response_sha256, decoding; rating (1-3, the mean of `ratings`, or null), explanation, judge_model,
fingerprint; label, probability, match, code_decides, lines_match, words_match (bools, the last two or null); score
(rating times match). Many files, one per run, and a single file with all runs are read in the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from basics.errors import InputError
from basics.tables import read_parquet

if TYPE_CHECKING:
    import polars as pl

KEY = ("judge", "method", "model", "recipe", "lang", "id")  # the primary key of a score table
COLUMNS = {  # of a score table, with their types
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
    twice = scores.filter(scores.select(KEY).is_duplicated()).select(KEY)
    if len(twice):
        first = "/".join(str(value) for value in twice.row(0))
        raise InputError(f"{path}: {first} is scored more than once; give each score table once")
    return scores


def read_table(path: Path | str, columns: Mapping = COLUMNS) -> "pl.DataFrame":
    """One score table. Raises InputError naming the file, and the column at fault."""
    return read_parquet(path, columns, "make it again with score.py")
