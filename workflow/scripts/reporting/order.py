"""The order of methods, models, recipes and languages in tables and figures."""

from collections.abc import Callable, Iterable, Sequence

from study.series import METHODS

LAST = ("multilingual", "downsampled")  # recipes listed after the monolingual ones


def in_order(values: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """The values without duplicates: first those in `wanted`, in that order, then the others."""
    return sorted(dict.fromkeys(values), key=lambda value: wanted.index(value) if value in wanted else len(wanted))


def method_place(method: str) -> tuple[int, str]:
    """Sort key: the methods in the paper's order, then all others."""
    return (list(METHODS).index(method) if method in METHODS else len(METHODS), method)


def recipe_order(languages: Sequence[str]) -> Callable[[str], int]:
    """Sort key: monolingual recipes by language, then multilingual, downsampled, and all others."""
    order = [*(f"mono-{lang}" for lang in languages), *LAST]
    return lambda recipe: order.index(recipe) if recipe in order else len(order)
