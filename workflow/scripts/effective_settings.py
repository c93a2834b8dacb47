"""Print the settings on which a method's results depend, as a Markdown table with columns for each configuration.

The first file is a complete configuration; each of the others overrides it separately, like `snakemake --configfile`,
and has its own columns. Values that differ from those of the first file are in bold. The table of docs/fidelity.md is

    python workflow/scripts/effective_settings.py config/config.yaml config/presets/{authors-code,harmonised}.yaml
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from basics.command_line import command_line
from reporting.markdown import format_setting, markdown_table
from study.checking import check_configuration
from study.configuration import read_configs
from study.identification import normalisation
from study.series import METHODS
from study.short_forms import answering_template, recipes_of, training_template

SPEED_AND_MEMORY = {"train.micro_batch_tokens", "respond.batch", "respond.start_timeout"}  # no result depends on them


def effective_settings(config: Mapping, method: str) -> dict[str, object]:
    """The settings of one method, by key without the method's name, so that methods can be compared.

    `base models` are the selections that figures show for the method. Files are given by name without suffix.
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
        "data.identifier": config["data"]["identifier"],
        "langid.normalise": normalisation(config),
        "langid.code": config["langid"]["code"],
    }
    return {key: value for key, value in settings.items() if key not in SPEED_AND_MEMORY}


def format_cell(value: object) -> str:
    """A value in a table: lists without brackets, whitespace at either end made visible."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, str) and value != value.strip():
        return f"`{json.dumps(value)}`"
    return format_setting(value)


def settings_table(configs: Sequence[Mapping]) -> str:
    """The settings of both methods in each configuration; those that differ from the first one are bold."""
    columns = {
        (config["experiment"], method): {
            key: format_cell(value) for key, value in effective_settings(config, method).items()
        }
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
    parser.add_argument("config", type=Path, help="a complete configuration, such as config/config.yaml")
    parser.add_argument("overlays", nargs="*", type=Path, help="files that override parts of it, such as presets")
    arguments = parser.parse_args()
    configs = [read_configs([arguments.config, *overlay]) for overlay in [[], *([path] for path in arguments.overlays)]]
    for config in configs:
        check_configuration(config)
    print(settings_table(configs))


if __name__ == "__main__":
    command_line(main)
