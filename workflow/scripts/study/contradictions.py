"""Faults of recipes and figures that a schema does not see: settings that contradict one another.

Each function takes the configuration as study.py expands it and raises InputError, one line, at the first fault.
"""

from collections.abc import Mapping

from basics.errors import InputError

SHARES = ("weights", "temperature", "others")  # each says how many rows a language has


def check_recipes(study: Mapping) -> None:
    """A recipe has one budget, and one way to share it among its languages."""
    for name, mix in study["recipes"].items():
        key = f"config: recipes.{name}"
        if ("rows" in mix) == ("tokens" in mix):
            raise InputError(f"{key}: give exactly one of rows and tokens, or a sweep of one of them")
        told = [word for word in (*SHARES, "sampling") if word in mix]
        if len(told) > 1:
            raise InputError(f"{key}: {told[0]} and {told[1]} both say how many rows a language has; keep one of them")
        if missing := [lang for lang in mix["languages"] if lang not in mix.get("weights", mix["languages"])]:
            raise InputError(f"{key}.weights: has none for {missing[0]!r}; give one to every language of the recipe")
        if "others" in mix:
            _check_others(key, mix)


def _check_others(key: str, mix: Mapping) -> None:
    """Rows of other languages need these languages, and a budget of which they are a part."""
    if len(mix["languages"]) < 2:
        raise InputError(f"{key}.others: the recipe has one language; add others to languages")
    if mix.get("rows", "all") == "all":
        raise InputError(f"{key}.others: are a part of rows; set rows to one-language or to a number")
    if isinstance(mix["rows"], int) and mix["others"] > mix["rows"]:
        raise InputError(
            f"{key}.others: is {mix['others']}, more than the {mix['rows']} rows of the recipe; ask for fewer"
        )


def check_figures(study: Mapping) -> None:
    """A sweep goes with its kind, and series with what the figure is about."""
    for figure, content in study["figures"].items():
        key = f"config: figures.{figure}"
        if (content["kind"] == "sweep") != ("sweep" in content):
            raise InputError(f"{key}.sweep: names what a figure of kind sweep is about; give both, or neither")
        if content["kind"] == "unseen" and "monolingual" in content.get("series", []):
            raise InputError(f"{key}.series: no monolingual model is of an unseen language; leave monolingual out")
        if content["kind"] != "sweep":
            continue
        name, sweep = content["sweep"], study["sweeps"][content["sweep"]]
        if sweep.of is None and "series" in content:
            raise InputError(f"{key}.series: a sweep of recipes is its own series; leave series out")
        if sweep.of and list(content["runs"]) != [sweep.of]:
            raise InputError(f"{key}.runs: {name} changes {sweep.of}; write runs: {{ {sweep.of}: [...] }}")
