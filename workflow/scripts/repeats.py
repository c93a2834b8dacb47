"""Reading what judge.py writes: the ratings of one run, one row a response and repeat."""

from collections.abc import Iterable
from pathlib import Path

from files import InputError, iter_jsonl

Key = tuple[str, str]  # lang, id


def read_repeats(path: Path | str, fields: Iterable[str] = ()) -> dict[Key, list[dict]]:
    """The rows of each response, in order of repeat, and the responses in the order of the file.

    Raises InputError when a row lacks one of `fields`, when a response's repeats are not numbered 1, 2, 3 ..., and
    when it has more or fewer of them than another.
    """
    found: dict[Key, list[dict]] = {}
    for row in iter_jsonl(path, fields=("lang", "id", "repeat", "rating", *fields)):
        found.setdefault((row["lang"], row["id"]), []).append(row)
    for (lang, id), rows in found.items():
        numbers = [row["repeat"] for row in rows]
        if any(type(number) is not int for number in numbers) or sorted(numbers) != list(range(1, len(rows) + 1)):
            raise InputError(
                f"{path}: lang {lang}, id {id} has the repeats {', '.join(map(str, numbers))}, and they must be 1 to"
                f" {len(rows)}, each once; make the file again"
            )
    first, expected = next(iter(found.items()), ((), ()))
    for (lang, id), rows in found.items():
        if len(rows) != len(expected):
            raise InputError(
                f"{path}: lang {lang}, id {id} is rated {len(rows)} times, and lang {first[0]}, id {first[1]}"
                f" {len(expected)} times; make the file again"
            )
    return {key: sorted(rows, key=lambda row: row["repeat"]) for key, rows in found.items()}
