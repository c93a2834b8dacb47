"""Reading a configuration from several files, of which later ones override earlier ones."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

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


def text_of(config: Mapping) -> str:
    """The configuration as YAML, as it is saved with the results. It omits keys on which no result depends, so that
    changing the assumptions of a plan does not cause figures to be drawn again."""
    import yaml

    kept = {key: value for key, value in config.items() if key not in BEFORE_THE_RUN}
    return yaml.safe_dump(json.loads(json.dumps(kept)), allow_unicode=True, sort_keys=False)  # in Python's own types
