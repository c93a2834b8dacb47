"""Table 1: the hyperparameters of LoRA and full-parameter fine-tuning, from the settings of the run itself.

--settings is a JSON object or a file with one, with the training settings of each method; for LoRA, `modules` lists the
adapted modules of each model family:

  {"lora": {"modules": {"BLOOM": ["query_key_value"]}, "rank": 8, "alpha": 16, "dropout": 0.05,
            "learning_rate": 0.0003, "batch": 128, "epochs": 5},
   "full": {"learning_rate": 0.00002, "batch": 256, "epochs": 3}}

A method that is not in the paper needs a `label`; only its differences from the method that it is `like` are listed.

The paper's rows come first, in its order and wording; all other settings follow under their own names.
Writes PREFIX.md, and PREFIX.csv (method, by its key in the configuration; hyperparameter; value).
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence

from basics.command_line import command_line
from basics.errors import InputError
from basics.settings import read_object
from basics.writing import beside, write_text
from reporting.markdown import format_setting, markdown_table
from study.series import METHODS

PAPER = {
    "modules": "LoRA modules",
    "rank": "rank",
    "alpha": "scaling factor",
    "dropout": "dropout",
    "learning_rate": "learning rate",
    "batch": "global batch size",
    "epochs": "epochs",
}
CAPTION = "Table 1: Hyperparameter configurations of LoRA and full-parameter fine-tuning"


def table_rows(settings: dict) -> list[dict[str, str]]:
    """The table's rows. Raises InputError if a method is unknown or has no settings."""
    for method, values in settings.items():
        if not isinstance(values, dict) or not values:
            raise InputError(f"--settings: {method!r} has no settings; give an object with at least one")
        if method not in METHODS and "label" not in values:
            raise InputError(
                f"--settings: unknown method {method!r}; choose from {', '.join(METHODS)}, or give its label"
            )
    return [
        {"method": method, "hyperparameter": name, "value": value}
        for method in sorted(settings, key=lambda method: list(METHODS).index(method) if method in METHODS else 2)
        for name, value in named_values(own_settings(method, settings))
    ]


def own_settings(method: str, settings: dict) -> dict:
    """The settings to list: all for a method in the paper, otherwise those that differ from the method it is like."""
    values = {key: value for key, value in settings[method].items() if key not in ("label", "like")}
    like = settings.get(settings[method].get("like"), {})
    return {key: value for key, value in values.items() if key not in like or like[key] != value}


def named_values(values: dict) -> Iterator[tuple[str, str]]:
    """One method's settings, named as in the paper and in its order, then the others."""
    for key in sorted(values, key=lambda key: list(PAPER).index(key) if key in PAPER else len(PAPER)):
        if key == "modules" and isinstance(values[key], dict):
            yield from adapted_modules(values[key])
        else:
            yield PAPER.get(key, key.replace("_", " ")), format_setting(values[key])


def adapted_modules(modules: dict[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """One row for all families that adapt the same modules."""
    families: dict[str, list[str]] = {}
    for family, names in modules.items():
        families.setdefault(", ".join(names), []).append(family)
    for names, members in families.items():
        yield PAPER["modules"] + (f" ({', '.join(members)})" if len(families) > 1 else ""), names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--settings", required=True, metavar="JSON", help="training settings: a JSON object or its file"
    )
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the table, without suffix")
    arguments = parser.parse_args()

    settings = read_object(arguments.settings)
    rows = table_rows(settings)
    with beside(f"{arguments.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, ["method", "hyperparameter", "value"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    names = {method: METHODS.get(method) or settings[method]["label"] for method in settings}
    text = markdown_table(
        {"Method": names[row["method"]], "Hyperparameter": row["hyperparameter"], "Value": row["value"]} for row in rows
    )
    write_text(f"{arguments.output_prefix}.md", f"{text}\n\n{CAPTION}.\n")
    print(f"table1: {len(rows)} settings", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
