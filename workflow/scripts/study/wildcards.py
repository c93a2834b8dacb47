"""The wildcards of a rule, as Snakemake hands them to the functions that a rule names, and constraints on them."""

import re
from collections.abc import Iterable
from typing import Protocol


class Wildcards(Protocol):
    """What Snakemake passes as `wildcards`: each has its value as an attribute."""

    def __getattr__(self, name: str) -> str: ...


def one_of(names: Iterable[str]) -> str:
    """The constraint that a wildcard is one of these names; without any, one that no name of a study meets."""
    return "|".join(map(re.escape, names)) or "none"
