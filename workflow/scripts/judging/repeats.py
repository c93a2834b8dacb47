"""Read the output of judge.py: the ratings of one run, one row per response and repeat; or of many, as a table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from basics.errors import InputError
from basics.kinds import Fields
from basics.reading import iter_jsonl
from judging.ratings import RATINGS
from judging.spending import USAGE_KINDS

if TYPE_CHECKING:
    import polars as pl

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


def ratings_table(files: Iterable[tuple[str, str, Path]]) -> "pl.DataFrame":
    """One row per rating, judges and runs in the order of the files; `prompt` is the number of its response among those
    of its language, and thus of its prompt. Raises InputError if a run appears twice."""
    import polars as pl

    schema = {
        "judge": pl.String,
        "run": pl.String,
        "lang": pl.String,
        "id": pl.String,
        "prompt": pl.Int64,
        "repeat": pl.Int64,
        "rating": pl.Int8,
        "attempts": pl.Int64,
        "model": pl.String,
        "fingerprint": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
    }
    seen, rows = set(), []
    for judge, run, path in files:
        if (judge, run) in seen:
            raise InputError(f"--ratings: {judge} has rated {run} in two files; give each run once")
        seen.add((judge, run))
        kinds = {"attempts": int, "model": str | None, "fingerprint": str | None, "usage": USAGE_KINDS}
        numbers = defaultdict(count)
        for (lang, _), repeats in read_repeats(path, kinds).items():
            prompt = next(numbers[lang])
            for row in repeats:
                whole = row | row["usage"] | {"judge": judge, "run": run, "prompt": prompt}
                rows.append([whole[name] for name in schema])
    return pl.DataFrame(rows, schema=schema, orient="row")
