"""Settings that contradict one another, which a schema does not see.

Each function takes the configuration with its short forms written out (short_forms.expanded) and raises InputError, one
line, at the first fault.
"""

from collections.abc import Mapping
from pathlib import Path

from humanfriendly import parse_size

from basics.errors import InputError
from study.series import METHODS
from study.short_forms import section_of, selected_models, training_template
from training.flops import PEAKS, peak_flops

SHARES = ("weights", "temperature", "others")  # each says how many rows a language has


def check_languages(study: Mapping) -> None:
    """English leads, and a language is trained on or unseen, not both."""
    languages = study["languages"]
    for leading in ("train", "seen"):
        if languages[leading][0] != "en":
            raise InputError(
                f"config: languages.{leading}[0]: is {languages[leading][0]!r}; put en first, the seed data's language"
            )
    both = set(languages["train"]) & set(languages["unseen"])
    if both:
        raise InputError(
            f"config: languages.unseen: {sorted(both)[0]!r} is also in languages.train; a language is one or the other"
        )


def check_recipes(study: Mapping) -> None:
    """A recipe has one budget, and one way to share it among its languages."""
    for name, mix in study["recipes"].items():
        key = f"config: recipes.{name}"
        if name.startswith("mono-"):
            raise InputError(f"{key}: names with mono- are the built-in ones; choose another name")
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


def check_methods(study: Mapping) -> None:
    """Training on the held-out rows too must not exceed the budget of a recipe."""
    for method in study["methods"]:
        if study["train"][method]["validation"] == "none" and study["recipe"]["hold_out"] == "ids":
            raise InputError(
                f"config: {section_of(study, method, 'train')}.validation: none trains on the held-out rows too, and"
                " recipe.hold_out: ids holds out those of every language, beyond the budget of one-language: set"
                " recipe.hold_out to rows"
            )


def check_models(study: Mapping) -> None:
    """Each selected model needs a row of `compute` for both methods, and models made here need a corpus."""
    largest = min(max(row["up_to"] for row in study["compute"][method]) for method in METHODS)
    for model in selected_models(study, study["select"]):
        if study["models"][model]["billions"] > largest:
            raise InputError(
                f"config: compute: no row reaches models.{model}.billions; add one to lora and full with a larger up_to"
            )
    made = any("architecture" in entry for entry in study["models"].values())
    if made and not {"corpus", "pretrain"} <= study.keys():
        raise InputError("config: corpus, pretrain: missing; models with an `architecture` are made from them")


def check_compute(study: Mapping) -> None:
    """A job must find nodes that it fits: Slurm would refuse it, or let it wait for ever."""
    node = study["compute"]["node"]
    for method in METHODS:
        for position, row in enumerate(study["compute"][method]):
            key = f"config: compute.{method}[{position}]"
            if row["ranks"] > node["gpus"] and method == "lora":
                raise InputError(f"{key}.ranks: LoRA runs on one node, and compute.node.gpus is {node['gpus']}")
            if row["ranks"] > node["gpus"] and row["ranks"] % node["gpus"]:
                raise InputError(f"{key}.ranks: several nodes are filled; take a multiple of compute.node.gpus")
            if parse_size(row["memory"]) > parse_size(node["memory"]):
                raise InputError(f"{key}.memory: is more than compute.node.memory, {node['memory']}")


def check_templates(study: Mapping) -> None:
    """Two templates need different names: tokens lie in a folder that is named after their template."""
    templates = [Path(path) for path in dict.fromkeys(training_template(study, method) for method in METHODS)]
    if len({path.stem for path in templates}) < len(templates):
        raise InputError(
            f"config: tokenize.template: two files are called {templates[0].stem}; their tokens would share a folder:"
            " rename one"
        )


def check_plan(study: Mapping) -> None:
    """A plan needs the peak FLOP/s of its device."""
    device = study["plan"]["device"]
    if not (study["plan"]["flops"] or peak_flops(device)):
        raise InputError(
            f"config: plan.device: {device!r} is none of {', '.join(PEAKS)}; take one, or write the FLOP/s of its data"
            " sheet as plan.flops"
        )
