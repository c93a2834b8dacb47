"""What the paper's Figures 2-7 show, so that a figure of the same kind can name what it lacks."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from study.short_forms import selected_models


class Shown(NamedTuple):
    """The kind of a figure of the paper, and the families of its models by method."""

    kind: str
    families: Mapping[str, tuple[str, ...]]


PAPER = {  # Chen et al. (2024), sections 4.1-4.5
    "figure2": Shown("size", {"lora": ("pythia",)}),
    "figure3": Shown("size", {"lora": ("bloom",)}),
    "figure4": Shown("size", {"full": ("bloom",)}),
    "figure5": Shown("unseen", {"lora": ("bloom",), "full": ("bloom",)}),
    "figure6": Shown("consistency", {"lora": ("pythia", "bloom"), "full": ("pythia", "bloom")}),
    "figure7": Shown("family", {"lora": ("llama", "open-llama", "pythia", "bloom")}),
}


def lacking(study: Mapping, figure: str) -> list[tuple[str, str]]:
    """Method and family of what the paper's figure of this name shows and the study's does not.

    Only families of which the study selects models: a miniature, with families of its own, is not the paper's study.
    `study` is a configuration whose short forms are written out.
    """
    content = study["figures"][figure]
    if figure not in PAPER or PAPER[figure].kind != content["kind"]:
        return []
    studied = _families(study, study["select"])
    return [
        (method, family)
        for method, families in PAPER[figure].families.items()
        for family in families
        if family in studied - _families(study, content["runs"].get(method, []))
    ]


def _families(study: Mapping, selections: Iterable[str]) -> set[str]:
    return {study["models"][model]["family"] for model in selected_models(study, selections)}
