"""Reading text, JSON, JSON lines and YAML; a fault names the file and the place in it."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from basics.errors import InputError, readable, system_fault
from basics.kinds import Fields, fields_fault, kind_fault, text_fault

if TYPE_CHECKING:
    import yaml

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # JSON may contain an unpaired one, UTF-8 may not


def read_bytes(path: Path | str) -> bytes:
    """A file's bytes. Raises InputError naming it when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {system_fault(error)}") from None


def read_text(path: Path | str) -> str:
    """Text in UTF-8. Raises InputError naming the file when it cannot be read or is in another encoding."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None


def parse_json(text: str | bytes) -> Any:
    """Parse JSON. Raises only JSONDecodeError, also for nesting that is too deep or a number with too many digits."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError(type(error).__name__, "", 0) from None


def read_json(path: Path | str, fields: Fields | None = None, remedy: str = "make it again") -> Any:
    """Read one JSON document; with `fields`, an object that has them.

    Raises InputError naming the file, the place or key of the fault, and the remedy.
    """
    text = read_text(path)
    try:
        value = parse_json(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON ({error}); {remedy}") from None
    if fields is None:
        return value
    if fault := kind_fault(value, dict):
        raise InputError(f"{path}: {fault}; {remedy}")
    if fault := fields_fault(value, fields):
        raise InputError(f"{path}: the key {fault}; {remedy}")
    return value


@cache
def yaml_loader() -> "type[yaml.SafeLoader]":
    """YAML in which a key that is repeated is an error, and does not replace the first: files are often copied and
    changed."""
    import yaml

    class UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # the same as SafeLoader, ten times as fast
        def construct_mapping(self, node, deep=False):
            met = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in met:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} appears twice", problem_mark=key.start_mark)
                met.add(key.value)
            return super().construct_mapping(node, deep)

    return UniqueKeys


def read_yaml(path: Path | str, fields: Fields | None = None) -> Any:
    """Read one YAML document; with `fields`, a mapping that has them. Raises InputError naming the file and the line or
    key of the fault, such as a key that is repeated."""
    import yaml

    text = read_text(path)
    with readable(path, "valid YAML", "correct it"):
        value = yaml.load(text, yaml_loader())
    if fields is not None:
        if not isinstance(value, dict):
            raise InputError(f"{path}: is not a mapping of keys; correct it")
        if fault := fields_fault(value, fields):
            raise InputError(f"{path}: the key {fault}; correct it")
    return value


def iter_jsonl(path: Path | str, fields: Fields = ()) -> Iterator[dict]:
    """Read one JSON object per line, a line at a time; blank lines are skipped, CRLF is accepted.

    Raises InputError naming file and line when a line is not UTF-8, not a JSON object, contains text that cannot
    be written, or lacks one of `fields`.
    """
    try:
        # Read as bytes, whose lines end only at \n: U+2028 may occur inside a string.
        stream = Path(path).open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise InputError(f"{path}: {system_fault(error)}") from None
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = parse_json(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number}: not UTF-8; save the file as UTF-8") from None
            except json.JSONDecodeError as error:
                fault = f"not valid JSON ({error.msg}, column {error.colno})"
                raise InputError(f"{path}, line {number}: {fault}; correct the file, or make it again") from None
            if not isinstance(row, dict):
                raise InputError(
                    f"{path}, line {number}: expected a JSON object, found {type(row).__name__}; correct it"
                )
            if fault := fields_fault(row, fields):
                raise InputError(f"{path}, line {number}: the field {fault}; correct the file, or make it again")
            if SURROGATE.search(line) and text_fault(json.dumps(row, ensure_ascii=False)):
                at_fault = next((name for name, value in row.items() if text_fault(str(value))), "a name")
                fault = f"the field {at_fault!r} contains an unpaired surrogate"
                raise InputError(f"{path}, line {number}: {fault}; correct it")
            yield row


def read_jsonl(path: Path | str, fields: Fields = (), empty: str | None = None) -> list[dict]:
    """All rows of `iter_jsonl` as a list. Given `empty`, a word for the rows, raises InputError if there are none."""
    rows = list(iter_jsonl(path, fields))
    if empty and not rows:
        raise InputError(f"{path}: there are no {empty} in it; make it again")
    return rows
