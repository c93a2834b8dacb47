"""Reading and writing tables: CSV and parquet."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
from basics.errors import InputError, readable
from basics.kinds import KINDS, Fields, Kind, kinds_of
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
    _refuse_folder(path)
    with readable(path, "a parquet file", remedy):
        table = pl.read_parquet(path)
    _check_columns(path, table.schema, kinds, remedy)
    _check_values(path, table, kinds, remedy)
    if table.is_empty():
        raise InputError(f"{path}: no rows; {remedy}")
    return table


def read_parquet_in_parts(
    path: Path | str, columns: Mapping[str, Kind], remedy: str, rows: int
) -> "Iterator[pl.DataFrame]":
    """The `columns` of a parquet table, at most so many rows at a time: little memory, however long it is.

    Raises InputError as read_parquet does; that a value is missing, or that there are no rows, where it is met.
    """
    import polars as pl
    from pyarrow.parquet import ParquetFile

    _refuse_folder(path)
    with readable(path, "a parquet file", remedy):
        schema = pl.read_parquet_schema(path)
    _check_columns(path, schema, columns, remedy)
    found = 0
    with readable(path, "a parquet file", remedy), ParquetFile(path) as file:
        for batch in file.iter_batches(rows, columns=list(columns)):
            part = pl.DataFrame(batch)
            _check_values(path, part, columns, remedy)
            found += len(part)
            yield part
    if not found:
        raise InputError(f"{path}: no rows; {remedy}")


def _refuse_folder(path: Path | str) -> None:
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder; give a file")  # polars would concatenate the files in it


def _check_columns(path: Path | str, schema: "Mapping[str, pl.DataType]", kinds: Mapping, remedy: str) -> None:
    """Raise InputError for a column that is missing, or of another kind."""
    import polars as pl

    for name, kind in kinds.items():
        if name not in schema:
            raise InputError(f"{path}: the column {name!r} is missing; {remedy}")
        found = schema[name]
        fits = {
            str: found == pl.String,
            int: found.is_integer(),
            float: found.is_numeric(),
            bool: found == pl.Boolean,
            list: found.is_nested(),
            type(None): found == pl.Null,
        }
        if kind is not None and not any(fits[each] for each in kinds_of(kind)):
            named = " or ".join(KINDS[each] for each in kinds_of(kind))
            raise InputError(f"{path}: the column {name!r} is {found}, not {named}; {remedy}")


def _check_values(path: Path | str, table: "pl.DataFrame", kinds: Mapping, remedy: str) -> None:
    """Raise InputError for a column that lacks a value, unless it may."""
    for name, kind in kinds.items():
        if kind is not None and type(None) not in kinds_of(kind) and table[name].null_count():
            raise InputError(f"{path}: the column {name!r} lacks a value in some row; {remedy}")
