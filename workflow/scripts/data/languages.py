"""The language table: our codes, and the labels of the language identifier that count as each.

The labels in the language table itself (resources/languages.yaml) are those of OpenLID v1. Those of other identifiers
are in tables of their own (resources/identifiers/), which also say how a text is normalised before identification.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from basics.errors import InputError
from basics.kinds import fields_fault, kind_fault
from basics.reading import read_yaml

NORMALISATIONS = ("none", "clean-line")  # of a text before identification; data/identifier.py describes them
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


class LabelTable(NamedTuple):
    """The labels of an identifier that count as each code, the usual one first, and how it wants a text normalised."""

    labels: dict[str, list[str]]
    normalise: str


def read_label_table(path: Path | str) -> LabelTable:
    """Read a table of resources/identifiers, or one of the same form.

    Raises InputError for a table without `normalise` and `labels` or with another normalisation, for a code that is not
    text or has no labels, and for a label under two codes.
    """
    table = read_yaml(path, fields={"normalise": str, "labels": dict})
    if table["normalise"] not in NORMALISATIONS:
        raise InputError(f"{path}: 'normalise' is {table['normalise']!r}; write {' or '.join(NORMALISATIONS)}")
    codes: dict[str, str] = {}
    for code, labels in table["labels"].items():
        if not isinstance(code, str) or not labels or kind_fault(labels, list[str]):
            raise InputError(
                f'{path}: {code!r} must be text with a list of labels; YAML reads an unquoted no as false, write "no"'
            )
        for label in labels:
            if codes.setdefault(label, code) != code:
                raise InputError(f"{path}: the label {label} is listed for {codes[label]!r} and {code!r}; remove one")
    return LabelTable(table["labels"], table["normalise"])


def labels_for(codes: Iterable[str], known: LabelTable, path: Path | str) -> dict[str, list[str]]:
    """The labels that count as each of the codes. Raises InputError for a code that the identifier's table lacks."""
    found = {}
    for code in codes:
        if code not in known.labels:
            raise InputError(
                f"{path}: has no labels for {code!r}; add them if the identifier knows this language, or use one that"
                " does"
            )
        found[code] = known.labels[code]
    return found


class Language(NamedTuple):
    """A language: our code, and its name."""

    code: str
    name: str


def languages_of_labels(languages: Path, labels: Path | None) -> dict[str, Language]:
    """The languages by the identifier's labels, from the language table and, unless it has the labels itself, the table
    that has. Raises like `read_table` and `read_label_table`."""
    table = read_table(languages)
    known = read_label_table(labels).labels if labels else {code: entry["labels"] for code, entry in table.items()}
    return {
        label: Language(code, table.get(code, {}).get("name", code)) for code, found in known.items() for label in found
    }


def language_tag(label: str, code: str) -> str:
    """The tag (BCP 47) of a label's language for HTML: with the script that the label names, since fonts for Chinese
    differ by script."""
    _, _, script = label.partition("_")
    return f"{code.partition('-')[0]}-{script}" if len(script) == 4 and script.isalpha() else code
