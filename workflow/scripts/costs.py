"""What the trainings cost, as measured: PREFIX.csv and PREFIX.md.

One row a tuned model, from the training.json in its folder. Hours are those of all devices together: tokens by the
tokens a second, times the ranks. A training that was interrupted knows its speed since it went on: its hours are
those of one that was not. Models that were not trained here (released ones) have no such record: their costs are empty
in the csv and a dash in the Markdown, never filled in, and totals say of how many models they are.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from files import InputError, beside, command_line, read_json, write_text
from scoretable import ABSENT, in_order, markdown_table, method_place, recipe_order

GIB = 2**30
COLUMNS = (
    "method", "model", "recipe", "device", "ranks", "device_hours", "tokens", "padded_tokens", "examples", "steps",
    "flops", "mfu", "tokens_per_second", "peak_memory_gib", "resumed_from_step",
)  # fmt: skip
RECORDED = ("device", "ranks", "tokens", "padded_tokens", "examples", "steps", "flops", "mfu", "tokens_per_second")


def cost_of(folder: Path) -> dict:
    """A row of the csv. Raises InputError naming the file and the key when the record is not what train.py writes."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make the model, or leave it out of --models")
    method, model, recipe = folder.parts[-3:]
    row: dict = dict.fromkeys(COLUMNS) | {"method": method, "model": model, "recipe": recipe}
    path = folder / "training.json"
    if not path.exists():
        return row
    record = read_json(path)
    for key in (*RECORDED, "peak_memory"):
        if key not in record:
            raise InputError(f"{path}: the key {key!r} is missing; train the model again")
    hours = record["ranks"] * record["tokens"] / max(record["tokens_per_second"], 1e-9) / 3600
    peak = record["peak_memory"]
    return row | {key: record[key] for key in RECORDED} | {
        "device_hours": float(f"{hours:.6g}"),
        "peak_memory_gib": None if peak is None else round(peak / GIB, 3),
        "resumed_from_step": record.get("resumed_from_step"),
    }  # fmt: skip


def in_reading_order(rows: Iterable[dict], models: Sequence[str], languages: Sequence[str]) -> list[dict]:
    """Rows by method, model and recipe."""
    rows = list(rows)
    order, place = in_order([row["model"] for row in rows], models), recipe_order(languages)
    return sorted(rows, key=lambda row: (method_place(row["method"]), order.index(row["model"]), place(row["recipe"])))


def short(number: float | None, digits: int = 3) -> str:
    """A number for a reader: so many digits, thousands and millions by their letter."""
    if number is None:
        return ABSENT
    for letter, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if abs(number) >= size:
            return f"{number / (1e3 if letter == 'k' else size):.{digits}g} {letter}"
    return f"{number:.{digits}g}"


def shown(row: dict) -> dict[str, object]:
    """A row for a reader."""
    return {
        "method": row["method"],
        "model": row["model"],
        "recipe": row["recipe"],
        "device": ABSENT if row["device"] is None else f"{row['ranks']} x {row['device']}",
        "device-hours": short(row["device_hours"]),
        "tokens": short(row["tokens"]),
        "FLOPs": short(row["flops"]),
        "MFU": short(row["mfu"], 2),
        "peak GiB": short(row["peak_memory_gib"]),
    }


def total(rows: Sequence[dict], **coordinates: str) -> dict[str, object]:
    """The sums of rows that were measured, and how many they are."""
    measured = [row for row in rows if row["tokens"] is not None]
    sums = {key: sum(row[key] for row in measured) if measured else None for key in ("device_hours", "tokens", "flops")}
    return coordinates | {
        "models": f"{len(measured)} of {len(rows)}",
        "device-hours": short(sums["device_hours"]),
        "tokens": short(sums["tokens"]),
        "FLOPs": short(sums["flops"]),
    }


def markdown(rows: Sequence[dict], judges: str, note: str) -> str:
    """Totals by method and model, then each training."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["model"]), []).append(row)
    totals = [total(members, method=method, model=model) for (method, model), members in groups.items()]
    totals.append(total(rows, method="all", model=""))
    numbers = ["models", "device-hours", "tokens", "FLOPs", "MFU", "peak GiB"]
    closing = (
        "Measured while training. *Models*: those measured, of all. *Tokens*: learned from, all epochs. *FLOPs*: of the"
        f" model, without what is computed twice. What judging cost is in {judges}."
    )
    parts = ["# What the trainings cost", markdown_table(totals, right=numbers), "## Each training"]
    return (
        "\n\n".join([*parts, markdown_table(map(shown, rows), right=numbers), closing, *([note] if note else [])])
        + "\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", required=True, type=Path, metavar="FOLDER", help="tuned models: .../METHOD/MODEL/RECIPE"
    )
    parser.add_argument("--order", nargs="*", default=[], metavar="NAME", help="order of the models")
    parser.add_argument("--languages", nargs="*", default=[], metavar="CODE", help="order of the monolingual recipes")
    parser.add_argument("--judges", default="judges.md", metavar="FILE", help="where a reader finds what judging cost")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for below the tables")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    options = parser.parse_args(arguments)

    rows = in_reading_order(map(cost_of, options.models), options.order, options.languages)
    with beside(f"{options.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(f"{options.output_prefix}.md", markdown(rows, options.judges, options.note))
    everything = total(rows)
    print(f"costs: {everything['models']} models, {everything['device-hours']} device-hours", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
