"""Settings given to a program as one JSON object, in the argument itself or in a file."""

import dataclasses
import json
from typing import TypeVar

from files import InputError, read_json

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], argument: str) -> Settings:
    """Read `argument`, JSON text or the path of a JSON file, into the dataclass `kind`.

    Raises InputError naming the first key that is unknown, or that is missing and has no default.
    """
    value = read_object(argument)
    fields = dataclasses.fields(kind)
    for key in value:
        if key not in {field.name for field in fields}:
            known = ", ".join(field.name for field in fields)
            raise InputError(f"settings: the key {key!r} is unknown; the keys are {known}")
    for field in fields:
        if field.name not in value and field.default is dataclasses.MISSING:
            raise InputError(f"settings: the key {field.name!r} is missing")
    return kind(**value)


def read_object(argument: str) -> dict:
    """Read a JSON object from `argument`, its text or the path of its file. Raises InputError when it is none."""
    if not argument.lstrip().startswith("{"):
        value = read_json(argument)
        if not isinstance(value, dict):
            raise InputError(f"{argument}: expected a JSON object, found {type(value).__name__}")
        return value
    try:
        return json.loads(argument)
    except json.JSONDecodeError as error:
        raise InputError(f"settings: not valid JSON ({error.msg}, column {error.colno}): {argument}") from None
