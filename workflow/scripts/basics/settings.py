"""Settings given to a program as one JSON object, in the argument itself or in a file."""

import dataclasses
import json
from typing import TypeVar, get_type_hints

from basics.errors import InputError
from basics.kinds import Fields, fields_fault
from basics.reading import parse_json, read_json

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], argument: str) -> Settings:
    """Read `argument`, JSON text or the path of a JSON file, into the dataclass `kind`.

    Raises InputError naming the first key that is unknown, missing without a default, or of another kind.
    """
    value, origin = read_object(argument), "settings" if argument.lstrip().startswith("{") else argument
    fields = dataclasses.fields(kind)
    for key in value:
        if key not in {field.name for field in fields}:
            known = ", ".join(field.name for field in fields)
            raise InputError(f"{origin}: the key {key!r} is unknown; the keys are {known}")
    without = dataclasses.MISSING
    needed = {field.name for field in fields if field.default is field.default_factory is without}
    hints = get_type_hints(kind)
    if fault := fields_fault(value, {key: hints[key] for key in hints if key in needed or key in value}):
        raise InputError(f"{origin}: the key {fault}; --help tells what it is")
    return kind(**value)


def read_object(argument: str) -> dict:
    """Read a JSON object from `argument`, its text or the path of its file. Raises InputError when it is none."""
    if not argument.lstrip().startswith("{"):
        return read_json(argument, fields=())
    try:
        return parse_json(argument)
    except json.JSONDecodeError as error:
        raise InputError(f"settings: not valid JSON ({error.msg}, column {error.colno}): {argument}") from None


def check_selection(selection: dict, option: str, keys: Fields) -> dict:
    """The selection, if it has `keys`. Raises InputError."""
    if fault := fields_fault(selection, keys):
        raise InputError(f"{option}: {fault}; --help tells what it is")
    return selection
