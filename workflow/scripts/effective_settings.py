"""Print the settings that a method's results rest on, as a Markdown table, for one configuration or several in columns.

The first file is a whole configuration; each of the others is laid over it alone, as `snakemake --configfile` does,
and has columns of its own. A value that the first file does not have is in bold. The table of docs/fidelity.md is

    python workflow/scripts/effective_settings.py config/config.yaml config/presets/{authors-code,harmonised}.yaml
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from basics.command_line import command_line
from reporting.markdown import format_setting, markdown_table
from study.checking import check
from study.configuration import read_configs
from study.series import METHODS
from study.short_forms import answering_template, recipes_of, training_template

SPEED_AND_MEMORY = {"train.micro_batch_tokens", "respond.batch", "respond.start_timeout"}  # no result rests on them


def effective_settings(config: Mapping, method: str) -> dict[str, object]:
    """What counts for one method, by key in the config; without the method's name, so that methods compare.

    `base models` are the selections that any figure shows for the method. Files are given by name, without suffix.
    """
    figures = [config["figures"][name] for name in config["draw"]]
    shown = [name for figure in figures for name in figure["runs"].get(method, [])]
    mixes = recipes_of(config).items()
    settings = {
        "base models": list(dict.fromkeys(shown)),
        **{f"recipes.{recipe}.{key}": value for recipe, mix in mixes for key, value in mix.items()},
        **{f"recipe.{key}": value for key, value in config["recipe"].items()},
        "tokenize.template": Path(training_template(config, method)).stem,
        "tokenize.max_length": config["tokenize"]["max_length"],
        **{f"train.{key}": value for key, value in config["train"][method].items()},
        "respond.template": Path(answering_template(config, method)).stem,
        **{f"respond.{key}": value for key, value in config["respond"][method].items() if key != "template"},
    }
    return {key: value for key, value in settings.items() if key not in SPEED_AND_MEMORY}


def cell(value: object) -> str:
    """A value in a table: lists without brackets, space at an end made visible."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, str) and value != value.strip():
        return f"`{json.dumps(value)}`"
    return format_setting(value)


def table(configs: Sequence[Mapping]) -> str:
    """The settings of both methods in each configuration, those in bold that differ from the first one's."""
    columns = {
        (config["experiment"], method): {key: cell(value) for key, value in effective_settings(config, method).items()}
        for config in configs
        for method in METHODS
    }
    first = configs[0]["experiment"]
    rows = []
    for setting in dict.fromkeys(key for column in columns.values() for key in column):
        row = {"setting": f"`{setting}`"}
        for (experiment, method), column in columns.items():
            value = column.get(setting, "–")
            changed = value != columns[first, method].get(setting, "–")
            row[f"{experiment}, {method}"] = f"**{value}**" if changed else value
        rows.append(row)
    return markdown_table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="a whole configuration, such as config/config.yaml")
    parser.add_argument("overlays", nargs="*", type=Path, help="files of differences from it, such as presets")
    arguments = parser.parse_args()
    configs = [read_configs([arguments.config, *overlay]) for overlay in [[], *([path] for path in arguments.overlays)]]
    for config in configs:
        check(config)
    print(table(configs))


if __name__ == "__main__":
    command_line(main)
