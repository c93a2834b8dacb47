"""Write the reference page of all configuration keys, from the schema's descriptions and the values in config.yaml.

    python workflow/scripts/config_reference.py --output docs/configuration.md        or        make config-reference

Keys are in the order of the configuration file, followed by those that it does not have. `<name>` in a key stands for
the name of an entry, `[]` for each item of a list.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from basics.command_line import command_line
from basics.writing import write_text
from study.configuration import SCHEMA, read_configs
from study.schema import resolve

INTRODUCTION = """# Configuration, key by key

<!-- `make config-reference` writes this page from workflow/schemas/config.schema.yaml and config/config.yaml. -->

[config/README.md](../config/README.md) explains how configurations are merged and checked, and how settings interact.
This page lists every key, the values it may have, and its value in [config/config.yaml](../config/config.yaml), the
configuration of the paper. `<name>` stands for a name of your choice, `[]` for each item of a list; keys marked
*needed* must be given in each new entry.
"""
ABSENT = "–"
VARIES = "by entry"
LONGEST, TOO_LONG = 100, "see there"  # characters of a value
TYPES = {"string": "text", "integer": "whole number", "number": "number", "null": "null", "boolean": "true or false"}


class Key(NamedTuple):
    """A row of the page."""

    path: str
    kind: str
    meaning: str
    values: list  # those in config.yaml: one, one for each entry, or none
    needed: bool = False
    parts: bool = False  # whether further rows describe what it contains


def choices_of(schema: Mapping, root: Mapping) -> list[dict]:
    """The schemas that a value may match: the branches of oneOf or anyOf, or the schema itself.

    Branches that only say which keys go together are not choices for a value.
    """
    branches = [resolve(branch, root) for branch in schema.get("oneOf", schema.get("anyOf", []))]
    return branches if branches and not all("required" in branch for branch in branches) else [dict(schema)]


def kind_of(schema: Mapping, root: Mapping) -> str:
    """What a value may be, in words."""
    return " or ".join(dict.fromkeys(_kind(choice, root) for choice in choices_of(schema, root)))


def _kind(schema: Mapping, root: Mapping) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    types = schema.get("type", "object")
    types = types if isinstance(types, list) else [types]
    return " or ".join(_kind_of_type(name, schema, root) for name in types)


def _kind_of_type(name: str, schema: Mapping, root: Mapping) -> str:
    if name == "array":
        items = kind_of(resolve(schema.get("items", {}), root), root)
        return "list" if items == "mapping" else f"list of {items}"
    if name == "object":
        entry = schema.get("additionalProperties")
        inner = kind_of(resolve(entry, root), root) if isinstance(entry, Mapping) else "mapping"
        return "mapping" if inner == "mapping" else f"mapping to {inner}"
    return TYPES[name] + _bounds(schema)


def _bounds(schema: Mapping) -> str:
    """The range of a number, such as ` ≥ 1`; empty for other values."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ",".join(f" {sign} {schema[bound]}" for bound, sign in signs.items() if bound in schema)


def meaning_of(schema: Mapping) -> str:
    """The description on one line of Markdown, and which keys are mutually exclusive."""
    described = " ".join(schema.get("description", "").split())
    branches = schema.get("oneOf", [])
    if branches and all("required" in branch for branch in branches):
        groups = "; ".join(" and ".join(f"`{key}`" for key in branch["required"]) for branch in branches)
        described = f"{described} One of: {groups}.".strip()
    return re.sub(
        "`[^`]*`|<", lambda found: "\\<" if found[0] == "<" else found[0], described
    )  # else it would start an HTML tag


def rows_of(path: str, part: Mapping, values: list, needed: bool, root: Mapping, seen: tuple = ()) -> list[Key]:
    """The row of a key, and those of everything in its value."""
    schema = resolve(part, root)
    below = list(rows_below(path, schema, values, root, seen))
    return [Key(path, kind_of(schema, root), meaning_of(schema), values, needed, bool(below)), *below]


def rows_below(path: str, schema: Mapping, values: list, root: Mapping, seen: tuple) -> Iterator[Key]:
    """The rows of everything in a value. `values` are those in config.yaml, one for each entry that leads here; `seen`
    are the enclosing mappings, for a recursive schema."""
    for choice in choices_of(schema, root):
        properties, entry, item = (choice.get(key, {}) for key in ("properties", "additionalProperties", "items"))
        if any(properties is outer for outer in seen):
            continue
        inside = (*seen, properties) if properties else seen
        mappings = [value for value in values if isinstance(value, Mapping)]
        for name, part in properties.items():
            given = [value.get(name) for value in mappings] if any(name in value for value in mappings) else []
            yield from rows_of(f"{path}.{name}", part, given, name in choice.get("required", []), root, inside)
        if entry and isinstance(entry, Mapping):
            named = [value[name] for value in mappings for name in value if name not in properties]
            yield from rows_of_entry(f"{path}.<name>", entry, named, root, inside)
        if item:
            listed = [one for value in values if isinstance(value, list) for one in value]
            yield from rows_of_entry(f"{path}[]", item, listed, root, inside)


def rows_of_entry(path: str, part: Mapping, values: list, root: Mapping, seen: tuple) -> list[Key]:
    """The rows of an entry or item; one for itself only if it is not a mapping or has a description."""
    first, *below = rows_of(path, part, values, False, root, seen)
    return [first, *below] if below and first.meaning else below


def format_yaml(value: object) -> str:
    """A value in YAML, on one line."""
    if isinstance(value, str) and "\n" in value:
        return json.dumps(value, ensure_ascii=False)  # valid YAML, which PyYAML would write on two lines
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def default_of(key: Key) -> str:
    """The value in config.yaml, if there is one, or that it varies between entries."""
    if not key.values:
        return ABSENT
    if key.parts and all(isinstance(value, Mapping | list) for value in key.values):
        return ""
    if any(value != key.values[0] for value in key.values):
        return VARIES
    text = format_yaml(key.values[0])
    return f"`{text}`" if len(text) <= LONGEST else TOO_LONG


def table_row(key: Key) -> str:
    """A row of a table in Markdown."""
    within = "<name>" in key.path or "[]" in key.path
    kind = f"{key.kind}; *needed*" if within and key.needed else key.kind
    cells = [f"`{key.path}`", kind, default_of(key), key.meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def reference_page(schema: Mapping, config: Mapping) -> str:
    """The page: a section for each top-level key, in the order of the configuration."""
    parts = schema["properties"]
    lines = [INTRODUCTION]
    for name in [*(name for name in config if name in parts), *(name for name in parts if name not in config)]:
        key, *below = rows_of(name, parts[name], [config[name]] if name in config else [], False, schema)
        lines.append(f"## `{name}`\n")
        if below:
            lines.append(f"{key.meaning}\n")
        lines += ["| key | may be | config.yaml | meaning |", "| --- | --- | --- | --- |"]
        lines += [*map(table_row, below or [key]), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schema", type=Path, default=SCHEMA, help="JSON Schema in YAML (default: the workflow's)")
    parser.add_argument(
        "--config", type=Path, default=SCHEMA.parents[2] / "config" / "config.yaml", help="values (default: ours)"
    )
    parser.add_argument("--output", type=Path, required=True, help="the page, Markdown")
    arguments = parser.parse_args()
    schema = yaml.safe_load(arguments.schema.read_text(encoding="utf-8"))
    write_text(arguments.output, reference_page(schema, read_configs([arguments.config])))


if __name__ == "__main__":
    command_line(main)
