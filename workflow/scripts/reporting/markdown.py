"""Text and tables in Markdown."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

ABSENT = "–"
LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")  # all line ends of str.splitlines


def format_score(number: float) -> str:
    """Format a rating or score with at most two decimals, and none if it is whole."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def escape_markdown(text: object) -> str:
    """Escape a text, in one line, so that Markdown shows it literally."""
    line = "".join(character if character.isprintable() else "\ufffd" for character in " ".join(str(text).split()))
    return re.sub(r"([\\`*_\[\]<&$~])", r"\\\1", line)


def markdown_table(rows: Iterable[Mapping[str, object]], right: Iterable[str] = ()) -> str:
    """Rows as a Markdown table that is aligned in a terminal, too; the columns `right` are right-aligned."""
    from tabulate import tabulate

    rows = list(rows)
    right = set(right)
    cells = [{key: LINE_END.sub(" ", str(value)).replace("|", "\\|") for key, value in row.items()} for row in rows]
    align = ["right" if key in right else "left" for key in cells[0]]
    return tabulate(cells, headers="keys", tablefmt="pipe", colalign=align, disable_numparse=True)


def format_setting(value: object) -> str:
    """Format a value: 3e-4 for a small number, yes and no for booleans, a list separated by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and 0 < abs(value) < 1e-3:
        sign, digits, exponent = Decimal(str(value)).normalize().as_tuple()
        mantissa = Decimal((sign, digits, 1 - len(digits)))
        return f"{mantissa}e{int(exponent) + len(digits) - 1}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
