"""Checking the kind of a value read from a file, and describing the fault when it is of another."""

import types
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

# The kind of a field: str, int | None, list[str], dict[str, float], {"a": int}, ...
Kind = type | types.GenericAlias | types.UnionType | Mapping
Fields = Iterable[str] | Mapping[str, Kind | None]  # names, or names with the kind that each must be (None: any)
KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def kind_fault(value: Any, kind: Kind | None) -> str | None:
    """Why a value is not of a kind, worded to follow its name; None if it is."""
    if isinstance(kind, Mapping):
        fault = fields_fault(value, kind) if isinstance(value, Mapping) else None
        return f"is incomplete: {fault}" if fault else kind_fault(value, dict)
    kinds = kinds_of(kind)
    if kind is None or any(_is_of(value, each) for each in kinds):
        return None
    for each in kinds:
        if get_origin(each) and isinstance(value, get_origin(each)):
            items = value.values() if isinstance(value, Mapping) else value
            fault = next(fault for item in items if (fault := kind_fault(item, get_args(each)[-1])))
            return f"has an item that {fault}"
    named = " or ".join(KINDS[get_origin(each) or each] for each in kinds)
    return f"is {KINDS.get(type(value), type(value).__name__)}, not {named}"


def kinds_of(kind: Kind | None) -> tuple[Any, ...]:
    """The kinds that a union allows."""
    return get_args(kind) if isinstance(kind, types.UnionType) else (kind,)


def dict_of(kind: Kind) -> types.GenericAlias:
    """The kind of an object with any keys whose values are all of a kind; `dict[str, {...}]` is not a type."""
    return types.GenericAlias(dict, (str, kind))


def _is_of(value: Any, kind: type) -> bool:
    """Whether a value is of one kind; a whole number is also a number, and true is neither."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float))
    if not isinstance(value, get_origin(kind) or kind):
        return False
    items = (value.values() if isinstance(value, Mapping) else value) if get_origin(kind) else ()
    return all(kind_fault(item, get_args(kind)[-1]) is None for item in items)


def fields_fault(value: Mapping, fields: Fields) -> str | None:
    """Why an object does not have the fields, beginning with the name of the first one at fault; None if it has."""
    kinds = fields if isinstance(fields, Mapping) else dict.fromkeys(fields)
    for name, kind in kinds.items():
        if name not in value:
            return f"{name!r} is missing"
        if fault := kind_fault(value[name], kind):
            return f"{name!r} {fault}"
    return None


def text_fault(value: object) -> str | None:
    """Why a value is not text that can be written, worded to follow its name; None if it is."""
    if not isinstance(value, str):
        return "is missing or is not text"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "contains an unpaired surrogate"
    return None
