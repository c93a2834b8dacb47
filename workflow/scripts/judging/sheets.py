"""Sheets on which people rate answers: a CSV for a spreadsheet, and the key that says which answer each row is.

A spreadsheet may change what it opens: a cell that begins with = + - or @ becomes a formula, 1/2 a date, 007 a number.
So a text that could be taken for anything else is written with an apostrophe before it, which marks a text in
spreadsheets. Some keep the apostrophe when they save, others drop it; both are read. A response must come back as it
was written, but for its line ends: its row could otherwise have been mixed up with another.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from basics.errors import InputError, readable
from basics.reading import read_bytes, read_jsonl
from basics.writing import write_bytes, write_jsonl
from judging.ratings import RATINGS

COLUMNS = ("sheet id", "language", "prompt", "response", "rating", "comment")
READ = ("sheet id", "response", "rating", "comment")  # when it comes back
KEY = {"sheet id": str, "run": str, "lang": str, "id": str, "digest": str}
SHORT = 30  # characters; a longer text is no date, time or number
TYPED = re.compile(r"true|false|.*\d.*", re.IGNORECASE | re.DOTALL)
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # with which such a file begins
RATING_CELLS = {f"{rating}{rest}": rating for rating in RATINGS for rest in ("", ".0", ",0")}


class Answer(NamedTuple):
    """A response that may be rated: `run` is METHOD/MODEL/RECIPE."""

    run: str
    lang: str
    id: str
    prompt: str
    response: str


class HumanRating(NamedTuple):
    """A rating that came back on a sheet, with the digest of the response that was rated."""

    rating: int
    comment: str
    digest: str


def digest(text: str) -> str:
    """SHA-256 of a text whose line ends are all alike: a spreadsheet writes its own."""
    return hashlib.sha256("\n".join(text.splitlines()).encode("utf-8")).hexdigest()


def as_cell(text: str) -> str:
    """A text as it is written to a cell: with an apostrophe before it if it could be taken for anything but text."""
    is_plain = text[:1].isalpha() and not (len(text) <= SHORT and TYPED.fullmatch(text))
    return text if is_plain or not text else f"'{text}"


def write_sheet(path: Path, key: Path, answers: Sequence[Answer]) -> None:
    """Write the sheet, rows numbered from 1 in the given order, and its key. The CSV begins with a byte order mark, by
    which a spreadsheet knows UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number, answer in enumerate(answers, start=1):
        writer.writerow([number, answer.lang, as_cell(answer.prompt), as_cell(answer.response), "", ""])
    write_jsonl(
        key,
        (
            {"sheet id": str(number), "run": answer.run, "lang": answer.lang, "id": answer.id}
            | {"digest": digest(answer.response)}
            for number, answer in enumerate(answers, start=1)
        ),
    )
    write_bytes(path, text.getvalue().encode("utf-8-sig"))


def read_sheet(path: Path | str, key: Path | str) -> dict[tuple[str, str, str], HumanRating]:
    """The ratings on a sheet that came back, by run, language and id. Rows without a rating are left out.

    Raises InputError naming the file and its row, counted as in a spreadsheet, for a rating off the scale, a sheet id
    that is not in the key or occurs twice, a response that was changed, and a file that is no such sheet or has no
    rating.
    """
    known = _read_key(key)
    found, seen = {}, set()
    for number, row in enumerate(_rows(path), start=2):
        sheet_id = row["sheet id"].strip()
        where = f"{path}, row {number}: the sheet id {sheet_id!r}"
        if sheet_id not in known:
            raise InputError(
                f"{where} is not in {key}; give the key that was written with this sheet, or correct the id"
            )
        if sheet_id in seen:
            raise InputError(f"{where} occurs twice; keep one of the two rows")
        seen.add(sheet_id)
        answer = known[sheet_id]
        if answer["digest"] not in (digest(row["response"]), digest(row["response"].removeprefix("'"))):
            raise InputError(
                f"{where} has another response than {key}; copy it from the sheet as it was written, with its own id"
            )
        if cell := row["rating"].strip():
            if cell not in RATING_CELLS:
                raise InputError(
                    f"{where} has the rating {cell!r}, which is not 1, 2 or 3; correct it, or empty the cell"
                )
            place = (answer["run"], answer["lang"], answer["id"])
            found[place] = HumanRating(RATING_CELLS[cell], row["comment"], answer["digest"])
    if not found:
        raise InputError(f"{path}: no response has a rating; fill in the column rating with 1, 2 or 3")
    return found


def _read_key(path: Path | str) -> Mapping[str, dict]:
    """The key, by sheet id. Raises InputError if an id occurs twice."""
    rows = read_jsonl(path, fields=KEY, empty="rows")
    known = {row["sheet id"]: row for row in rows}
    if len(known) < len(rows):
        raise InputError(f"{path}: a sheet id occurs twice; use the file as rating_sheet.py wrote it")
    return known


def _rows(path: Path | str) -> Iterable[dict[str, str]]:
    """The rows of a CSV as a spreadsheet saves it: separated by commas, semicolons or tabs, in UTF-8 or UTF-16."""
    text = _decoded(path)
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    with readable(path, "a table", "save the sheet as CSV UTF-8"):
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="", strict=True)
        missing = [column for column in READ if column not in (table.fieldnames or ())]
        rows = [row for row in table if any(row.values())]  # a spreadsheet may add empty ones
    if missing:
        raise InputError(
            f"{path}, row 1: the column {missing[0]!r} is missing; keep the first row of the sheet as it was written"
        )
    return rows


def _decoded(path: Path | str) -> str:
    """The text of a CSV. Raises InputError for an encoding that cannot be told from others, such as Latin-1."""
    data = read_bytes(path)
    encoding = "UTF-16" if data.startswith(UTF16) else "UTF-8"
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not {encoding}; save the sheet as CSV UTF-8") from None
