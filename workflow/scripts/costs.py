"""What the trainings cost, as measured: PREFIX.csv and PREFIX.md.

One row a tuned model, from the training.json in its folder. Hours are those of all devices together: seconds times
ranks. The seconds of a training that was interrupted are those of all its starts, less what an interruption lost; none
has those of loading, of finding the micro-batch, and of checking what was saved. Peak memory is the first rank's: of
its GPU, or on a CPU of its process. Models that were not trained here (released ones) have no such record: their costs
are empty in the csv and a dash in the Markdown, never filled in, and totals say of how many models they are.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_json
from basics.writing import beside, write_text
from reporting.costs import COLUMNS, RECORDED, REMEDY, cost_totals, short_number, sort_by_model, whole_number
from reporting.markdown import ABSENT, markdown_table

GIB = 2**30


def cost_of(folder: Path) -> dict:
    """A row of the csv. Raises InputError naming the file and the key when the record is not what train.py writes."""
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


def display_row(row: dict) -> dict[str, object]:
    """A row for a reader."""
    return {
        "method": row["method"],
        "model": row["model"],
        "recipe": row["recipe"],
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


def costs_page(rows: Sequence[dict], judges: str, note: str) -> str:
    """Totals by method and model, then each training."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["model"]), []).append(row)
    totals = [cost_totals(members, method=method, model=model) for (method, model), members in groups.items()]
    totals.append(cost_totals(rows, method="all", model=""))
    numbers = ["models", "device-hours", "examples", "steps", "tokens", "padded", "FLOPs", "MFU", "peak GiB", "resumed"]
    closing = (
        "Measured while training. *Models*: those measured, of all. *Device-hours*: of all ranks together; of an"
        " interrupted training, those of all its starts, less what was lost. *Examples*, *tokens*: learned from, all"
        " epochs; *padded*: with padding. *FLOPs*: of the model, without what is computed twice. *MFU*: their share of"
        " the devices' peak. *Peak GiB*: memory of the first rank. *Resumed*: at which step it last went on."
        f" What judging cost is in {judges}."
    )
    parts = ["# What the trainings cost", markdown_table(totals, right=numbers), "## Each training"]
    return (
        "\n\n".join([*parts, markdown_table(map(display_row, rows), right=numbers), closing, *([note] if note else [])])
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

    rows = sort_by_model(map(cost_of, options.models), options.order, options.languages)
    with beside(f"{options.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(f"{options.output_prefix}.md", costs_page(rows, options.judges, options.note))
    everything = cost_totals(rows)
    print(f"costs: {everything['models']} models, {everything['device-hours']} device-hours", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
