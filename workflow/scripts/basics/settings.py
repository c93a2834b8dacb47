"""Settings of a program: a dataclass read from one JSON object, given as text or as a file."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar, get_type_hints

from basics.errors import InputError, SettingError
from basics.kinds import Fields, fields_fault, kind_fault
from basics.reading import parse_json, read_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def read_settings(kind: type[Settings], argument: str) -> Settings:
    """Read `argument`, JSON text or the path of a JSON file, into the dataclass `kind`.

    Raises InputError naming `settings` or the file, and the fault that `make_settings` finds.
    """
    values, origin = read_object(argument), "settings" if argument.lstrip().startswith("{") else argument
    try:
        return make_settings(kind, values)
    except InputError as fault:
        raise InputError(f"{origin}: {fault}") from None


def make_settings(kind: type[Settings], values: Mapping[str, object]) -> Settings:
    """The dataclass `kind` with these values. Raises InputError for an unknown key, and SettingError for one that is
    missing and has no default, is of another kind, or is refused by the dataclass itself."""
    fields, hints = dataclasses.fields(kind), get_type_hints(kind)
    known = [field.name for field in fields]
    for key in values:
        if key not in known:
            raise InputError(f"the key {key!r} is unknown; the keys are {', '.join(known)}")
    for field in fields:
        if field.name not in values:
            if field.default is field.default_factory is dataclasses.MISSING:
                raise SettingError(field.name, "is missing; add it")
        elif fault := kind_fault(values[field.name], hints[field.name]):
            raise SettingError(field.name, f"{fault}; change it")
    return kind(**values)


def check_choices(settings: object, choices: Mapping[str, tuple]) -> None:
    """Raise SettingError for the first of the settings whose value is not one of its choices."""
    for key, allowed in choices.items():
        if (value := getattr(settings, key)) not in allowed:
            named = " or ".join("null" if choice is None else str(choice) for choice in allowed)
            raise SettingError(key, f"is {value!r}, which is not {named}")


def check_counts(settings: object, keys: Iterable[str]) -> None:
    """Raise SettingError for the first of these settings that is not a whole number of at least 1."""
    for key in keys:
        if not (isinstance(value := getattr(settings, key), int) and value > 0):
            raise SettingError(key, f"is {value!r}; it must be at least 1")


def read_object(argument: str) -> dict:
    """Read a JSON object from `argument`, its text or the path of its file. Raises InputError when it is not one."""
    if not argument.lstrip().startswith("{"):
        return read_json(argument, fields=())
    try:
        return parse_json(argument)
    except json.JSONDecodeError as error:
        raise InputError(f"settings: not valid JSON ({error.msg}, column {error.colno}): {argument}") from None


def check_selection(selection: Mapping, option: str, keys: Fields) -> Mapping:
    """The selection itself. Raises InputError unless it has `keys`."""
    if fault := fields_fault(selection, keys):
        raise InputError(f"{option}: {fault}; see --help")
    return selection
