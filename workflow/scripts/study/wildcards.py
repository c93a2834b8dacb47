"""The wildcards of a rule, as Snakemake passes them to the functions that a rule names, and constraints on them."""

import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Protocol


class Wildcards(Protocol):
    """What Snakemake passes as `wildcards`: an object with the value of each as an attribute."""

    def __getattr__(self, name: str) -> str: ...


class Chosen(SimpleNamespace):
    """Wildcards with values of our own, to ask those functions outside a rule: Chosen(model="pythia-70m")."""

    def __getattr__(self, name: str) -> str:  # of what is not an attribute
        raise AttributeError(name)


def one_of(names: Iterable[str]) -> str:
    """The constraint that a wildcard is one of these names; if there are none, one that no name of a study meets."""
    return "|".join(map(re.escape, names)) or "none"


def as_written(text: str) -> Callable[[Wildcards], str]:
    """A text of the configuration as a parameter of a rule: in what a function returns, Snakemake takes no {braces} for
    wildcards."""
    return lambda wildcards: text
