"""Configurations as the rules see them: merged, and with every short form written out."""

from types import SimpleNamespace

from basics.paths import REPOSITORY
from data.languages import read_table
from study.configuration import merge, read_configs
from study.matrix import Run
from study.short_forms import expanded

CONFIG = REPOSITORY / "config"
LANGUAGES = read_table(REPOSITORY / "resources" / "languages.yaml")


def paper(**changes) -> dict:
    """The paper's configuration, overlaid with changes."""
    return expanded(merge(read_configs([CONFIG / "config.yaml"]), changes))


def miniature(**changes) -> dict:
    return expanded(merge(read_configs([CONFIG / "config.yaml", CONFIG / "demo.yaml"]), changes))


def preset(name: str) -> dict:
    return expanded(read_configs([CONFIG / "config.yaml", CONFIG / "presets" / f"{name}.yaml"]))


def wildcards(**values: str) -> SimpleNamespace:
    """What Snakemake passes to the functions of a rule; `input` looks the same."""
    return SimpleNamespace(**values)


def run(path: str) -> Run:
    """The wildcards of a run, from its path: method/model/recipe."""
    return Run(*path.split("/"))
