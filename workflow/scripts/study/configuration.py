"""Reading a configuration: several files, the later over the earlier."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from basics.paths import REPOSITORY
from basics.reading import read_yaml

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"


def merge(base: dict, changes: Mapping) -> dict:
    """Lay one configuration over another as Snakemake does: mappings merge, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


def read_configs(paths: Iterable[Path]) -> dict:
    """The configuration of the files, the later over the earlier. Raises InputError for one that cannot be read."""
    config: dict = {}
    for path in paths:
        merge(config, read_yaml(path, fields=()))
    return config


def text_of(config: Mapping) -> str:
    """The configuration as YAML, as it is kept beside the results: without `plan`, on which no result depends, so that
    other assumptions of a plan are no reason to draw a figure again."""
    import yaml

    kept = {key: value for key, value in config.items() if key != "plan"}
    return yaml.safe_dump(json.loads(json.dumps(kept)), allow_unicode=True, sort_keys=False)  # in Python's own types
