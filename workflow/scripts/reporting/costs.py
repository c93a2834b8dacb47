"""What trainings cost: reading the records, and adding them up."""

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
RECORDED = {  # what of it is in training.json
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
    """The rows of a csv by (method, model, recipe): the device's name, and numbers to be summed, None where empty.

    Raises InputError naming the file and what it lacks.
    """
    columns = dict.fromkeys(("method", "model", "recipe", "device"), str) | dict.fromkeys(SUMMED, float)
    return {
        (row["method"], row["model"], row["recipe"]): {key: row[key] for key in ("device", *SUMMED)}
        for row in read_csv(path, columns, "make it again with costs.py")
    }


def in_reading_order(rows: Iterable[dict], models: Sequence[str], languages: Sequence[str]) -> list[dict]:
    """Rows by method, model and recipe."""
    rows = list(rows)
    order, place = in_order([row["model"] for row in rows], models), recipe_order(languages)
    return sorted(rows, key=lambda row: (method_place(row["method"]), order.index(row["model"]), place(row["recipe"])))


def short(number: float | None, digits: int = 3) -> str:
    """A number that is not negative for a reader: so many digits, thousands and millions by their letter."""
    if number is None:
        return ABSENT
    rounded = float(f"{number:.{digits}g}")
    for letter, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rounded >= size:
            return f"{rounded / size:.{digits}g} {letter}"
    return f"{rounded:g}"


def whole(number: int | None) -> str:
    return ABSENT if number is None else f"{number:,}"


def total(rows: Sequence[dict], **coordinates: str) -> dict[str, object]:
    """The sums of rows that were measured, and how many they are."""
    measured = [row for row in rows if row["tokens"] is not None]
    sums = {key: sum(row[key] for row in measured) if measured else None for key in SUMMED}
    return coordinates | {
        "models": f"{len(measured)} of {len(rows)}",
        "device": ", ".join(dict.fromkeys(row["device"] for row in measured)) or ABSENT,
        "device-hours": short(sums["device_hours"]),
        "tokens": short(sums["tokens"]),
        "FLOPs": short(sums["flops"]),
    }
