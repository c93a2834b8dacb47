"""Reading a configuration from several files, of which later ones override earlier ones."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from basics.paths import REPOSITORY
from basics.reading import read_yaml

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
BEFORE_THE_RUN = ("plan", "check_judges", "check_submissions")  # keys on which no result depends


def merge(base: dict, changes: Mapping) -> dict:
    """Override one configuration with another as Snakemake does: mappings merge, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


def read_configs(paths: Iterable[Path | str]) -> dict:
    """The configuration in the files, later ones overriding earlier ones. Raises InputError for an unreadable one."""
    config: dict = {}
    for path in paths:
        merge(config, read_yaml(path, fields=()))
    return config


def origin_of(fault: str, config: Mapping, files: Sequence[Path | str]) -> str:
    """Which of several files sets the key with which the line about a fault begins: ` [KEY is set in FILE]`.

    A key that is missing is looked for by what would contain it. "" for one file, or if no file has any of it.
    """
    key, value = _leading_key(fault, config)
    if not key or len(files) < 2:
        return ""
    for file in reversed(files):
        found, own = _leading_key(fault, read_yaml(file, fields=()))
        if found == key and (own == value or isinstance(value, Mapping)):  # which may be merged from several
            return f" [{key} is set in {file}]"
    return f" [{key} is set in the command line]"


def _leading_key(text: str, value: Any) -> tuple[str, object]:
    """The longest path of keys, as in figures.figure2.runs.lora[0], that a text begins with and a value has, and what
    is there. A name may contain dots: the longest that fits is taken."""
    found = ""
    while True:
        steps = (
            {f".{key}".removeprefix("" if found else "."): key for key in value} if isinstance(value, Mapping) else {}
        )
        steps |= {f"[{place}]": place for place in range(len(value))} if isinstance(value, list) else {}
        fitting = [step for step in steps if re.match(re.escape(step) + r"[.:\[]", text)]
        if not fitting:
            return found, value
        step = max(fitting, key=len)
        found, text, value = found + step, text.removeprefix(step), value[steps[step]]


def text_of(config: Mapping) -> str:
    """The configuration as YAML, as it is saved with the results. It omits keys on which no result depends, so that
    changing the assumptions of a plan does not cause figures to be drawn again."""
    import yaml

    kept = {key: value for key, value in config.items() if key not in BEFORE_THE_RUN}
    return yaml.safe_dump(json.loads(json.dumps(kept)), allow_unicode=True, sort_keys=False)  # in Python's own types
