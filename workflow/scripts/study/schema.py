"""Checks of a configuration against its schema, and for values that no setting can have. A fault is described in one
line, with its key."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from basics.errors import InputError
from basics.kinds import text_fault
from basics.reading import read_yaml
from study.configuration import SCHEMA

DEEPEST = 20  # keys and list positions in the path of a setting
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # all but tab and "\n"; some also end a line


def check_schema(config: Mapping) -> None:
    """Raise InputError for the most relevant of the faults that the schema finds in a configuration."""
    schema = read_yaml(SCHEMA)
    validator = Validator(without_references(schema, schema))
    fault = best_match(validator.iter_errors(config))
    if fault:
        raise InputError(_fault_line(fault))


def resolve(schema: Mapping, root: Mapping) -> dict:
    """A part of the schema with its `$ref` resolved; keys beside the `$ref` override those of its target."""
    while "$ref" in schema:
        target = root
        for step in filter(None, schema["$ref"].removeprefix("#").split("/")):
            target = target[step]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return dict(schema)


def without_references(part: object, root: Mapping) -> object:
    """A part of the schema with each `$ref` in it resolved: a fault behind one knows only the target's description."""
    if isinstance(part, list):
        return [without_references(item, root) for item in part]
    if not isinstance(part, Mapping):
        return part
    return {key: without_references(value, root) for key, value in resolve(part, root).items() if key != "$defs"}


def key_path(keys: Iterable[object]) -> str:
    """Format a path of keys and list positions, as in figures.figure2.runs.lora[0]; always on one line, whatever
    characters a name contains."""
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) and not isinstance(key, bool) else f".{key}"
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in path)
    return printable.lstrip(".") or "the file"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` with the closest known name, if any is close."""
    close = difflib.get_close_matches(str(word), [str(name) for name in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _whole_text(validator: object, pattern: str, text: object, schema: Mapping) -> Iterator[ValidationError]:
    """`pattern` as JSON Schema defines it: Python's $ also matches before a final newline, which would break a command
    line."""
    if isinstance(text, str) and not re.search(re.sub(r"\$(?=\)|$)", r"\\Z", pattern), text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


Validator = extend(Draft202012Validator, {"pattern": _whole_text})


def refuse_unusable(value: object, keys: tuple = ()) -> None:
    """Raise InputError for a value that no setting can have, at any level.

    These are text that a command line or file cannot contain; numbers that are not finite; keys that are not text; and
    booleans, which YAML reads from an unquoted no, yes, on or off (except in a model's `architecture`, whose keys are
    those of Transformers).
    """
    key = key_path(keys)
    if len(keys) > DEEPEST:
        raise InputError(f"config: {key[:100]}...: nested too deeply; remove it")
    if isinstance(value, str) and (text_fault(value) or UNPRINTABLE.search(value)):
        raise InputError(f"config: {key}: {value!r} contains a character that cannot be written; remove it")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config: {key}: {value} is not a finite number; give another")
    if isinstance(value, bool) and "architecture" not in keys:
        written = "no" if value is False else "yes"
        raise InputError(
            f'config: {key}: YAML reads an unquoted {written} as {str(value).lower()}; write "{written}" in quotes,'
            " or a number if one is meant"
        )
    if isinstance(value, Mapping):
        for name, item in value.items():
            refuse_unusable(name, (*keys, "a key"))
            if not isinstance(name, str):
                raise InputError(
                    f"config: {key_path((*keys, str(name)))}: the name {name!r} is not text; put it in quotes"
                )
            refuse_unusable(item, (*keys, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            refuse_unusable(item, (*keys, position))


def _fault_line(fault: ValidationError) -> str:
    """A schema fault in one line: the key, what is wrong, and what the key means."""
    key = key_path(fault.absolute_path)
    schema = fault.schema if isinstance(fault.schema, Mapping) else {}
    if fault.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        unknown = next(name for name in fault.instance if name not in known)
        place = key_path((*fault.absolute_path, unknown))
        return f"config: {place}: unknown key{suggestion(unknown, known)}; the keys are {', '.join(known)}"
    if fault.validator == "required":
        missing = next(name for name in fault.validator_value if name not in fault.instance)
        return f"config: {key_path((*fault.absolute_path, missing))}: missing; {_meaning(schema, missing)}"
    if fault.validator == "dependentRequired":
        name, needed = next((name, needed) for name, needed in fault.validator_value.items() if name in fault.instance)
        return f"config: {key_path((*fault.absolute_path, name))}: goes with {needed[0]}; add that, or remove it"
    if fault.validator == "oneOf" and all("required" in choice for choice in fault.validator_value):
        choices = " or ".join(" and ".join(choice["required"]) for choice in fault.validator_value)
        return f"config: {key}: give exactly one of {choices}"
    wanted = str(fault.message).replace("\n", " ")
    if isinstance(fault.instance, str) and fault.validator == "type" and "number" in str(fault.validator_value):
        wanted += "; YAML reads 1e-5 as text: write 1.0e-5"
    meaning = schema.get("description", "")
    return f"config: {key}: {wanted}" + (f" ({' '.join(meaning.split())})" if meaning else "")


def _meaning(schema: Mapping, key: str) -> str:
    """What a missing key is for, as described in the schema."""
    described = schema.get("properties", {}).get(key, {}).get("description", "see config/config.yaml")
    return " ".join(described.split())
