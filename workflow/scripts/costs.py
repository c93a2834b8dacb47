"""The measured cost of the trainings: PREFIX.csv and PREFIX.md.

One row per tuned model, from the training.json in its folder. Device-hours are seconds times ranks. The seconds of an
interrupted training are those of all its starts, without the work that was lost; they never include loading, the search
for the micro-batch, or checking what was saved. Peak memory is that of the first rank: of its GPU or, on a CPU, of its
process. PREFIX.csv has the keys of the configuration, PREFIX.md names (names.py). Models that were not trained here
(released ones) have no such record: their costs are empty in the csv and a dash in the Markdown, never imputed, and
totals say how many models they cover.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_json
from basics.settings import read_settings
from basics.writing import beside, write_text
from reporting.costs import COLUMNS, RECORDED, REMEDY, cost_totals, short_number, sort_by_model, whole_number
from reporting.markdown import ABSENT, markdown_table
from reporting.names import Names

GIB = 2**30


def cost_of(folder: Path) -> dict:
    """A row of the csv. Raises InputError naming the file and the key if the record is not as train.py writes it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make the model, or leave it out of --models")
    method, model, recipe = folder.parts[-3:]
    row: dict = dict.fromkeys(COLUMNS) | {"method": method, "model": model, "recipe": recipe}
    path = folder / "training.json"
    if not path.exists():
        return row
    record = read_json(path, RECORDED | {"peak_memory": float}, REMEDY)
    return row | {key: record[key] for key in RECORDED} | {
        "device_hours": float(f"{record['ranks'] * record['seconds'] / 3600:.6g}"),
        "peak_memory_gib": round(record["peak_memory"] / GIB, 3),
    }  # fmt: skip


def display_row(row: dict, names: Names) -> dict[str, object]:
    """A row of the csv, with names and formatted for the Markdown."""
    return names.shown({key: row[key] for key in ("method", "model", "recipe")}) | {
        "device": ABSENT if row["device"] is None else f"{row['ranks']} x {row['device']}",
        "device-hours": short_number(row["device_hours"]),
        "examples": whole_number(row["examples"]),
        "steps": whole_number(row["steps"]),
        "tokens": short_number(row["tokens"]),
        "padded": short_number(row["padded_tokens"]),
        "FLOPs": short_number(row["flops"]),
        "MFU": short_number(row["mfu"], 2),
        "peak GiB": short_number(row["peak_memory_gib"]),
        "resumed": ABSENT if row["resumed_from_step"] is None else f"at {row['resumed_from_step']}",
    }


def costs_page(rows: Sequence[dict], names: Names, judges: str, note: str) -> str:
    """The page: totals by method and model, then each training."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["model"]), []).append(row)
    totals = [
        names.shown(cost_totals(members, method=method, model=model)) for (method, model), members in groups.items()
    ]
    totals.append(cost_totals(rows, method="all", model=""))
    numbers = ["models", "device-hours", "examples", "steps", "tokens", "padded", "FLOPs", "MFU", "peak GiB", "resumed"]
    closing = (
        "Measured during training. *Models*: those measured, out of all. *Device-hours*: summed over ranks; for an"
        " interrupted training, of all its starts, without the work that was lost. *Examples*, *tokens*: trained on, in"
        " all epochs; *padded*: including padding. *FLOPs*: of the model, without recomputation. *MFU*: their share of"
        " the devices' peak. *Peak GiB*: memory of the first rank. *Resumed*: the step at which it last resumed."
        f" The cost of judging is in {judges}."
    )
    shown = [display_row(row, names) for row in rows]
    parts = ["# What the trainings cost", markdown_table(totals, right=numbers), "## Each training"]
    return "\n\n".join([*parts, markdown_table(shown, right=numbers), closing, *([note] if note else [])]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", required=True, type=Path, metavar="FOLDER", help="tuned models: .../METHOD/MODEL/RECIPE"
    )
    parser.add_argument("--names", default="{}", metavar="JSON", help="names, in order (names.py), or their file")
    parser.add_argument("--judges", default="judges.md", metavar="FILE", help="where the cost of judging is given")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for below the tables")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    options = parser.parse_args(arguments)

    names = read_settings(Names, options.names)
    rows = sort_by_model(map(cost_of, options.models), list(names.models), list(names.languages))
    with beside(f"{options.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(f"{options.output_prefix}.md", costs_page(rows, names, options.judges, options.note))
    everything = cost_totals(rows)
    print(f"costs: {everything['models']} models, {everything['device-hours']} device-hours", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
