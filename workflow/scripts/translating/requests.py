"""The requests to the translation engine, and the seed's rows that they are made of."""

from collections.abc import Iterator
from pathlib import Path

from basics.errors import InputError
from basics.kinds import text_fault
from basics.reading import iter_jsonl
from data.rows import FIELDS

REQUEST = {"chunk": int, "segments": list[str]}  # a line of the output


def iter_rows(path: Path) -> Iterator[dict]:
    """The seed's rows. Raises InputError naming the row whose id or text the rest of the workflow cannot do with."""
    last = -1
    for row in iter_jsonl(path, fields=("id", *FIELDS)):
        if not isinstance(row["id"], int) or row["id"] <= last:
            raise InputError(f"{path}: the id {row['id']!r} follows {last}; ids are integers from 0 on, and increase")
        last = row["id"]
        for field in FIELDS:
            if fault := text_fault(row[field]):
                raise InputError(f"{path}, id {row['id']}: the field {field!r} {fault}; mend it")
        yield row
    if last < 0:
        raise InputError(f"{path}: there are no rows in it; make it again")
