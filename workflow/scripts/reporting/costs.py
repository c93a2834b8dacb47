"""What trainings cost: reading their records, and adding them up."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from basics.reading import read_json
from basics.tables import read_csv
from reporting.markdown import ABSENT
from reporting.order import in_order, method_place, recipe_order

COLUMNS = (
    "method", "model", "recipe", "device", "ranks", "seconds", "device_hours", "tokens", "padded_tokens", "examples",
    "steps", "flops", "mfu", "tokens_per_second", "peak_memory_gib", "resumed_from_step",
)  # fmt: skip
RECORDED = {  # the columns that training.json has
    column: {"device": str, "mfu": float | None, "resumed_from_step": int | None}.get(column, float)
    for column in COLUMNS[3:]
    if column not in ("device_hours", "peak_memory_gib")
}
SUMMED = ("device_hours", "tokens", "flops")
REMEDY = "train the model again"


def read_spent(path: Path) -> dict:
    """The device, ranks, seconds and tokens of a training.json. Raises InputError naming the file and the key."""
    return read_json(path, {key: RECORDED[key] for key in ("device", "ranks", "seconds", "tokens")}, REMEDY)


def read_costs(path: Path | str) -> dict[tuple[str, str, str], dict]:
    """The rows of costs.csv by (method, model, recipe): the device's name, and the SUMMED numbers, None where empty.

    Raises InputError naming the file and what is missing.
    """
    columns = dict.fromkeys(("method", "model", "recipe", "device"), str) | dict.fromkeys(SUMMED, float)
    return {
        (row["method"], row["model"], row["recipe"]): {key: row[key] for key in ("device", *SUMMED)}
        for row in read_csv(path, columns, "make it again with costs.py")
    }


def sort_by_model(rows: Iterable[dict], models: Sequence[str], languages: Sequence[str]) -> list[dict]:
    """Sort rows by method, model and recipe."""
    rows = list(rows)
    order, place = in_order([row["model"] for row in rows], models), recipe_order(languages)
    return sorted(rows, key=lambda row: (method_place(row["method"]), order.index(row["model"]), place(row["recipe"])))


def short_number(number: float | None, digits: int = 3) -> str:
    """Format a non-negative number with `digits` significant digits and an SI prefix: 1.2 M."""
    if number is None:
        return ABSENT
    rounded = float(f"{number:.{digits}g}")
    for letter, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rounded >= size:
            return f"{rounded / size:.{digits}g} {letter}"
    return f"{rounded:g}"


def whole_number(number: int | None) -> str:
    """Format an integer with thousands separators."""
    return ABSENT if number is None else f"{number:,}"


def cost_totals(rows: Sequence[dict], **coordinates: str) -> dict[str, object]:
    """Sums over the rows that were measured, and how many these are."""
    measured = [row for row in rows if row["tokens"] is not None]
    sums = {key: sum(row[key] for row in measured) if measured else None for key in SUMMED}
    return coordinates | {
        "models": f"{len(measured)} of {len(rows)}",
        "device": ", ".join(dict.fromkeys(row["device"] for row in measured)) or ABSENT,
        "device-hours": short_number(sums["device_hours"]),
        "tokens": short_number(sums["tokens"]),
        "FLOPs": short_number(sums["flops"]),
    }
