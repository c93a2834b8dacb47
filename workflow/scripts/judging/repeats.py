"""Read the output of judge.py: the ratings of one run, one row per response and repeat."""

from collections.abc import Mapping
from pathlib import Path

from basics.errors import InputError
from basics.kinds import Fields
from basics.reading import iter_jsonl
from judging.ratings import RATINGS

Key = tuple[str, str]  # lang, id


def read_repeats(path: Path | str, fields: Fields = ()) -> dict[Key, list[dict]]:
    """The rows of each response, in order of repeat; responses are in the order of the file.

    Raises InputError if there are none, if a row lacks one of `fields` or has a rating off the scale, or if the repeats
    of a response are not numbered 1, 2, 3 ... or differ in number from those of another.
    """
    found: dict[Key, list[dict]] = {}
    kinds = fields if isinstance(fields, Mapping) else dict.fromkeys(fields)
    for row in iter_jsonl(path, fields={"lang": str, "id": str, "repeat": None, "rating": int | None, **kinds}):
        if row["rating"] not in (None, *RATINGS):
            raise InputError(
                f"{path}: lang {row['lang']}, id {row['id']}: {row['rating']} is not a rating; make it again"
            )
        found.setdefault((row["lang"], row["id"]), []).append(row)
    for (lang, id), rows in found.items():
        numbers = [row["repeat"] for row in rows]
        if any(type(number) is not int for number in numbers) or sorted(numbers) != list(range(1, len(rows) + 1)):
            raise InputError(
                f"{path}: lang {lang}, id {id} has the repeats {', '.join(map(str, numbers))}, and they must be 1 to"
                f" {len(rows)}, each once; make the file again"
            )
    if not found:
        raise InputError(f"{path}: contains no ratings; make it again")
    first, expected = next(iter(found.items()))
    for (lang, id), rows in found.items():
        if len(rows) != len(expected):
            raise InputError(
                f"{path}: lang {lang}, id {id} is rated {len(rows)} times, and lang {first[0]}, id {first[1]}"
                f" {len(expected)} times; make the file again"
            )
    return {key: sorted(rows, key=lambda row: row["repeat"]) for key, rows in found.items()}
