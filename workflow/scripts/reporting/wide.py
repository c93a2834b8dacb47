"""Scores of many tuned models with a row for each model and series, as in the figures, and a column for each language.

A row is a series: that of monolingual tuning has the score of another model in each language. In English, that model is
the English-only one, so English-only tuning has a row of its own only where it answers in another language, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from reporting.names import SERIES
from reporting.order import in_order, method_place

Value = TypeVar("Value")


class Row(NamedTuple):
    """Whose scores a row has."""

    method: str
    model: str
    series: str


def wide_rows(
    cells: Mapping[tuple[str, str, str, str], Value], models: Sequence[str] = ()
) -> list[tuple[Row, dict[str, Value]]]:
    """Each row with its values by language, from values by method, model, recipe and language.

    Rows are in the order of the methods, of `models`, and of the legends; rows of other models and recipes follow.
    """
    rows: dict[Row, dict[str, Value]] = {}
    for (method, model, recipe, lang), value in cells.items():
        for series in _series_of(recipe, lang):
            rows.setdefault(Row(method, model, series), {})[lang] = value
    models = in_order((row.model for row in rows), models)
    series = in_order((row.series for row in rows), list(SERIES))
    kept = [row for row in rows if not _is_within_another(row, rows)]
    kept.sort(key=lambda row: (method_place(row.method), models.index(row.model), series.index(row.series)))
    return [(row, rows[row]) for row in kept]


def _series_of(recipe: str, lang: str) -> Iterable[str]:
    """The series in which a recipe's answers in a language are shown."""
    if recipe == "mono-en":
        return ("monolingual", "English") if lang == "en" else ("English",)
    return ("monolingual",) if recipe == f"mono-{lang}" else (recipe,)


def _is_within_another(row: Row, rows: Mapping[Row, Mapping]) -> bool:
    """Whether a row has nothing but the score in English of the English-only model, which is in another row, too."""
    if set(rows[row]) != {"en"}:
        return False
    return row.series == "monolingual" or (
        row.series == "English" and len(rows[row._replace(series="monolingual")]) > 1
    )
