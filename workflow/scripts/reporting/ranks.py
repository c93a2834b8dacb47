"""The order of the cells of a column, in which numbers are numbers."""

import re
from collections.abc import Sequence

from reporting.markdown import ABSENT

NUMBER = re.compile(
    r"(?P<sign>(?<![^\s\[(])[+\u2212-])?"  # not the dash of 1–2 or mono-2
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?P<rest>(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"(?:\s?(?P<unit>[kKMBGTPE])(?![^\W\d_]))?"
)
UNITS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}

Key = list[tuple[int, float, str]]  # numbers come before words


def sort_key(text: str) -> Key:
    """The words and numbers of a text, in which BLOOM 560M is less than BLOOM 1.1B, −2 less than +1, and 999 than
    1,234."""
    key: Key = []
    end = 0
    for found in NUMBER.finditer(text):
        key += _word(text[end : found.start()])
        number = float(found["digits"].replace(",", "") + found["rest"]) * UNITS.get(found["unit"], 1)
        key.append((0, -number if found["sign"] in ("-", "\u2212") else number, ""))
        end = found.end()
    return key + _word(text[end:])


def _word(text: str) -> Key:
    word = text.strip().casefold()
    return [(1, 0.0, word)] if word else []


def ranks(cells: Sequence[str]) -> list[int | None]:
    """The place of each cell in its column, from 0; equal cells share one, and absent ones have none."""
    keys = [None if cell.strip() in ("", ABSENT) else sort_key(cell) for cell in cells]
    distinct: list[Key] = []
    for key in sorted(key for key in keys if key is not None):
        if not distinct or key != distinct[-1]:
            distinct.append(key)
    places = {tuple(key): place for place, key in enumerate(distinct)}
    return [None if key is None else places[tuple(key)] for key in keys]
