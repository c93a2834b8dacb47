"""What a claim compares: the cells of each of its cases, the cases of each of its parts, and both in words."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reporting.bootstrap import Cell
from reporting.claim_rules import as_list
from reporting.evidence import ROUNDING
from reporting.names import Names, model_names, size_name
from study.series import recipe_of

if TYPE_CHECKING:
    import numpy as np


AND = " and "  # between two series that are compared


class Place(NamedTuple):
    """Where a claim looks."""

    method: str
    model: str
    lang: str


@dataclass(frozen=True)
class Case:
    """What a claim compares in one place: a cell and, unless its score itself is meant, another, elsewhere or not."""

    place: Place
    elsewhere: Place
    series: str
    cell: Cell
    against: Cell | None


def claimed_cases(claim: Mapping, selection: Mapping) -> Iterator[Case]:
    """All cases that a claim covers, whether they were measured or not, without those of a cell with itself."""
    for place in _places(claim, selection):
        for elsewhere in _counterparts(claim, selection, place):
            for series in as_list(claim["compare"]):
                for other in as_list(claim.get("with", series if "against" in claim else [None])):
                    cell = _cell(place, series)
                    against = _cell(elsewhere, other) if other else None
                    if cell != against:
                        yield Case(place, elsewhere, _name_of(claim, series, other), cell, against)


def _places(claim: Mapping, selection: Mapping) -> list[Place]:
    """The methods, models and languages that a claim is about, each once."""
    seen, unseen = selection["languages"]["seen"], selection["languages"]["unseen"]
    words = {
        "seen": seen,
        "others": [lang for lang in seen if lang != "en"],
        "english": [lang for lang in seen if lang == "en"],
        "unseen": unseen,
    }
    named = claim["languages"]
    langs = words[named] if isinstance(named, str) else [lang for lang in named if lang in (*seen, *unseen)]
    shown = [runs for figure in claim["figures"] for runs in selection["figures"].get(figure, {}).items()]
    return list(
        dict.fromkeys(
            Place(method, model, lang)
            for method, models in shown
            if method in claim.get("methods", [method])
            for model in models
            if _is_meant(claim, selection["models"][model])
            for lang in langs
        )
    )


def _is_meant(claim: Mapping, model: Mapping) -> bool:
    """Whether a claim is about a model, by its size and family."""
    size, families = claim.get("sizes", {}), claim.get("families", [model["family"]])
    return size.get("from", 0) <= model["billions"] < size.get("below", math.inf) and model["family"] in families


def _counterparts(claim: Mapping, selection: Mapping, place: Place) -> list[Place]:
    """Where the cells are that those of a place are compared with: there, unless the claim says otherwise."""
    if "against" not in claim:
        return [place]
    [(varied, values)] = claim["against"].items()
    models = selection["models"]
    if values == "others":
        elsewhere = [
            other
            for other in _places({key: value for key, value in claim.items() if key != "sizes"}, selection)
            if not _is_meant(claim, models[other.model])
        ]
    else:
        elsewhere = _places({**claim, varied: values}, selection)
    return [
        other
        for other in elsewhere
        if other.method == place.method
        and (other.model == place.model if varied == "languages" else other.lang == place.lang)
        and (varied != "sizes" or models[other.model]["family"] == models[place.model]["family"])
    ]


def _cell(place: Place, series: str) -> Cell:
    return (place.method, place.model, recipe_of(series, place.lang), place.lang)


def _name_of(claim: Mapping, series: str, other: str | None) -> str:
    """The name of a comparison: the series that vary within the claim."""
    several = [
        name for key, name in (("compare", series), ("with", other)) if name and isinstance(claim.get(key), list)
    ]
    return AND.join(several) or series


def group_by_part(claim: Mapping, found: Sequence[Case]) -> dict[str, list[Case]]:
    """The cases of each part of a claim, by the key of what varies between parts; "" if the claim has only one."""
    by_language = "languages" in claim.get("against", ())
    keys = {
        None: lambda case: "",
        "language": lambda case: case.place.lang,
        "method": lambda case: case.place.method,
        "model": lambda case: case.place.model,
        "series": lambda case: case.series,
        "against": lambda case: case.elsewhere.lang if by_language else case.elsewhere.model,
    }
    grouped: dict[str, list[Case]] = {}
    for case in found:
        grouped.setdefault(keys[claim.get("each")](case), []).append(case)
    return grouped


def weights_of(statistic: str, compared: Sequence[Case], models: Mapping) -> "np.ndarray":
    """Weights of shape (cases,) whose product with the cases' values is their mean or their slope.

    The slope is that of least squares over log10 of the size, with a separate intercept for each family, method,
    language and series; its weights are all 0 if all sizes are equal.
    """
    import numpy as np

    if statistic != "slope":
        return np.full(len(compared), 1 / max(len(compared), 1))
    groups: dict[tuple, list[int]] = {}
    for number, case in enumerate(compared):
        method, model, lang = case.place
        groups.setdefault((models[model]["family"], method, lang, case.elsewhere.lang, case.series), []).append(number)
    size = np.log10([models[case.place.model]["billions"] for case in compared])
    for numbers in groups.values():
        size[numbers] -= size[numbers].mean()
    spread = (size**2).sum()
    return size / spread if spread > ROUNDING else np.zeros_like(size)


# --- in words --------------------------------------------------------------------------------------------------------


def names_of(selection: Mapping) -> Names:
    """What the methods, models, recipes and languages of a selection are called."""
    models = {
        model: {"label": selection["families"][entry["family"]], "billions": entry["billions"]}
        for model, entry in selection["models"].items()
    }
    return Names(
        methods=selection["methods"],
        models=model_names(models),
        recipes=selection.get("labels", {}),
        languages=selection["names"],
    )


def name_of_part(part: str, names: Names) -> str:
    """What varies between the parts of a claim, by its name: a language, a method, a model, or series."""
    for known in (names.languages, names.methods, names.models):
        if part in known:
            return known[part]
    return AND.join(map(names.recipe, part.split(AND)))


def describe(claim: Mapping, cases: Sequence[Case], selection: Mapping) -> str:
    """What some cases of a claim compare: series, methods, models by family and size, languages."""
    both = [[case.place for case in cases], [case.elsewhere for case in cases]]
    names = names_of(selection)
    sides = [", ".join(map(names.recipe, as_list(claim[key]))) for key in ("compare", "with") if key in claim]
    told = [
        " against ".join(sides),
        *(
            " against ".join(dict.fromkeys(tell(places, selection) for places in both))
            for tell in (_methods, _models, _languages)
        ),
    ]
    return "; ".join(filter(None, told))


def _methods(places: Sequence[Place], selection: Mapping) -> str:
    return ", ".join(dict.fromkeys(selection["methods"][place.method] for place in places))


def _languages(places: Sequence[Place], selection: Mapping) -> str:
    return ", ".join(dict.fromkeys(selection["names"][place.lang] for place in places))


def _models(places: Sequence[Place], selection: Mapping) -> str:
    """The families, each with its smallest and largest size and, in brackets, how many models that is."""
    sizes: dict[str, list[float]] = {}
    for model in dict.fromkeys(place.model for place in places):
        entry = selection["models"][model]
        sizes.setdefault(selection["families"][entry["family"]], []).append(entry["billions"])
    return ", ".join(
        f"{family} {'–'.join(map(size_name, dict.fromkeys([min(found), max(found)])))}"
        + (f" ({len(found)})" if len(found) > 1 else "")
        for family, found in sizes.items()
    )
