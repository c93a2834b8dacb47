"""The language table: our codes, and the labels of the language identifier that count as each."""

from pathlib import Path

from basics.errors import InputError
from basics.kinds import fields_fault
from basics.reading import read_yaml

FASTTEXT_MARK = "__label__"  # what fastText writes before each label


def read_table(path: Path | str) -> dict[str, dict]:
    """Read the language table: each of our codes with its entry, `name`, `labels` and, if given, `own`.

    Raises InputError for an entry without labels and for an unquoted `no`, which YAML reads as false.
    """
    table = read_yaml(path, fields=())
    for code, entry in table.items():
        if not isinstance(code, str):
            raise InputError(f'{path}: the code {code!r} is not text; YAML reads an unquoted no as false, write "no"')
        if not isinstance(entry, dict) or not entry.get("labels"):
            raise InputError(f"{path}: {code!r} lists no labels; give the labels of OpenLID that count as it")
        kinds = {"labels": list[str], "name": str, "own": str}
        if fault := fields_fault(entry, {name: kinds.get(name) for name in entry}):
            raise InputError(f"{path}: {code!r}: {fault}; correct it")
    return table


def read_languages(path: Path | str) -> dict[str, list[str]]:
    """The labels in the language table that count as each code, the usual one first. Raises like `read_table`."""
    return {code: list(entry["labels"]) for code, entry in read_table(path).items()}


def labels_of(code: str, languages: dict[str, list[str]], table: Path | str) -> list[str]:
    """The labels that count as a language. Raises InputError when it is not in the table."""
    if code not in languages:
        raise InputError(f"{table}: the language {code!r} is missing; add it with its name and labels")
    return languages[code]
