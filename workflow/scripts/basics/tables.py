"""Reading and writing tables: CSV and parquet."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
from basics.errors import InputError, readable
from basics.kinds import KINDS, Fields, kinds_of
from basics.reading import read_text
from basics.writing import write_bytes


def write_parquet(path: Path | str, table: "pl.DataFrame") -> None:
    """Write a table whole or not at all. It is built in memory first: polars reports a full disk unintelligibly."""
    data = io.BytesIO()
    table.write_parquet(data)
    write_bytes(path, data.getvalue())


def read_csv(path: Path | str, columns: Mapping[str, type], remedy: str) -> list[dict]:
    """The rows of a table with a header. `columns` are read as text or, for float, as numbers, None for an empty cell.

    Raises InputError naming the file and the line or column of the fault.
    """
    found, text = [], read_text(path)
    if not text.endswith("\n"):
        raise InputError(f"{path}: is empty, or ends in the middle of a line; {remedy}")
    with readable(path, "a table of comma-separated values", remedy):
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise InputError(f"{path}: the column {missing[0]!r} is missing; {remedy}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise InputError(f"{where}: does not have as many cells as the header; {remedy}")
            for column in [column for column, kind in columns.items() if kind is float]:
                try:
                    row[column] = float(row[column]) if row[column] else None
                except ValueError:
                    raise InputError(f"{where}: the {column} {row[column]!r} is not a number; {remedy}") from None
            found.append(row)
    if not found:
        raise InputError(f"{path}: no rows; {remedy}")
    return found


def read_parquet(path: Path | str, columns: Fields, remedy: str) -> "pl.DataFrame":
    """A parquet table that has rows, and `columns` of the given kinds.

    Raises InputError naming the file and the column at fault.
    """
    import polars as pl

    kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder; give a file")  # polars would concatenate the files in it
    with readable(path, "a parquet file", remedy):
        table = pl.read_parquet(path)
    for name, kind in kinds.items():
        if name not in table.columns:
            raise InputError(f"{path}: the column {name!r} is missing; {remedy}")
        kinds, found = kinds_of(kind), table.schema[name]
        fits = {
            str: found == pl.String,
            int: found.is_integer(),
            float: found.is_numeric(),
            bool: found == pl.Boolean,
            list: found.is_nested(),
            type(None): found == pl.Null,
        }
        if kind is not None and not any(fits[each] for each in kinds):
            named = " or ".join(KINDS[each] for each in kinds)
            raise InputError(f"{path}: the column {name!r} is {found}, not {named}; {remedy}")
        if kind is not None and type(None) not in kinds and table[name].null_count():
            raise InputError(f"{path}: the column {name!r} lacks a value in some row; {remedy}")
    if table.is_empty():
        raise InputError(f"{path}: no rows; {remedy}")
    return table
