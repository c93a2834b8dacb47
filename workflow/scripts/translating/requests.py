"""The requests to the translation engine, and the seed rows that they are made from."""

from collections.abc import Iterator
from pathlib import Path

from basics.errors import InputError
from basics.kinds import text_fault
from basics.reading import iter_jsonl
from data.rows import FIELDS

REQUEST = {"chunk": int, "segments": list[str]}  # a line of the segments file


def iter_rows(path: Path) -> Iterator[dict]:
    """The seed's rows. Raises InputError naming a row whose id or text the rest of the workflow cannot use."""
    last = -1
    for row in iter_jsonl(path, fields=("id", *FIELDS)):
        if not isinstance(row["id"], int) or row["id"] <= last:
            raise InputError(f"{path}: the id {row['id']!r} follows {last}; ids must be increasing integers from 0")
        last = row["id"]
        for field in FIELDS:
            if fault := text_fault(row[field]):
                raise InputError(f"{path}, id {row['id']}: the field {field!r} {fault}; correct it")
        yield row
    if last < 0:
        raise InputError(f"{path}: there are no rows in it; make it again")
