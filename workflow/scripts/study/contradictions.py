"""Settings that contradict one another, which a schema cannot detect.

Each function takes the configuration with its short forms written out (short_forms.expanded) and raises InputError, one
line, at the first fault.
"""

from collections.abc import Mapping
from pathlib import Path

from humanfriendly import parse_size

from basics.errors import InputError
from study.recipes import SHARES
from study.seeds import repeated
from study.series import METHODS
from study.short_forms import section_of, selected_models, training_template
from training.flops import PEAKS, peak_flops


def check_languages(study: Mapping) -> None:
    """English comes first, and no language is both trained on and unseen."""
    languages = study["languages"]
    for leading in ("train", "seen"):
        if languages[leading][0] != "en":
            raise InputError(
                f"config: languages.{leading}[0]: is {languages[leading][0]!r}; put en first, the seed data's language"
            )
    both = set(languages["train"]) & set(languages["unseen"])
    if both:
        raise InputError(
            f"config: languages.unseen: {sorted(both)[0]!r} is also in languages.train; remove it from one of the two"
        )


def check_data(study: Mapping) -> None:
    """A sample of the seed leaves rows to train on beside the held-out ones, and prompts that are used exist."""
    data, held = study["data"], study["recipe"]["validation_rows"]
    if data["rows"] != "all" and data["rows"] <= held:
        raise InputError(
            f"config: data.rows: {data['rows']} rows, and recipe.validation_rows holds out {held}; use more"
        )
    if data["prompts_used"] > data["prompts_expected"]:
        raise InputError(
            f"config: data.prompts_used: {data['prompts_used']}, but data.prompts_expected is"
            f" {data['prompts_expected']}; use fewer, or all"
        )


def check_recipes(study: Mapping) -> None:
    """A recipe has one budget and one way of dividing it among its languages."""
    for name, mix in study["recipes"].items():
        key = f"config: recipes.{name}"
        if name.startswith("mono-"):
            raise InputError(
                f"{key}: names that begin with mono- are reserved for built-in recipes; choose another name"
            )
        if ("rows" in mix) == ("tokens" in mix):
            raise InputError(f"{key}: give exactly one of rows and tokens, or a sweep of one of them")
        given = [key for key in SHARES if key in mix]
        if len(given) > 1:
            raise InputError(
                f"{key}: {given[0]} and {given[1]} both say how many rows a language has; keep one of them"
            )
        if missing := [lang for lang in mix["languages"] if lang not in mix.get("weights", mix["languages"])]:
            raise InputError(f"{key}.weights: no weight for {missing[0]!r}; give one for every language of the recipe")
        if "others" in mix:
            _check_others(key, mix)


def _check_others(key: str, mix: Mapping) -> None:
    """Rows of other languages need other languages, and a budget that they are part of."""
    if len(mix["languages"]) < 2:
        raise InputError(f"{key}.others: the recipe has one language; add others to languages")
    if mix.get("rows", "all") == "all":
        raise InputError(f"{key}.others: is a part of rows; set rows to one-language or to a number")
    if isinstance(mix["rows"], int) and mix["others"] > mix["rows"]:
        raise InputError(
            f"{key}.others: is {mix['others']}, more than the {mix['rows']} rows of the recipe; ask for fewer"
        )


def check_figures(study: Mapping) -> None:
    """A figure has a sweep if it is of that kind, and only series that make sense in it."""
    for figure, content in study["figures"].items():
        key = f"config: figures.{figure}"
        if (content["kind"] == "sweep") != ("sweep" in content):
            raise InputError(f"{key}.sweep: goes with kind: sweep; give both or neither")
        if content["kind"] == "unseen" and "monolingual" in content.get("series", []):
            raise InputError(f"{key}.series: unseen languages have no monolingual models; leave monolingual out")
        if content["kind"] != "sweep":
            continue
        name, sweep = content["sweep"], study["sweeps"][content["sweep"]]
        if sweep.of is None and "series" in content:
            raise InputError(f"{key}.series: a sweep of recipes is its own series; leave series out")
        if sweep.of and list(content["runs"]) != [sweep.of]:
            raise InputError(f"{key}.runs: {name} changes {sweep.of}; write runs: {{ {sweep.of}: [...] }}")


def check_seeds(study: Mapping) -> None:
    """Repeated trainings have seeds, are trained here, and have names of their own."""
    values, runs = study["seeds"]["values"], study["seeds"]["runs"]
    if values and study["random_seed"] not in values:
        raise InputError(
            f"config: seeds.values: random_seed, {study['random_seed']}, is not among them; add it: the trainings that"
            " are repeated have that seed"
        )
    if len(values) > 1 and not runs:
        raise InputError("config: seeds.runs: names no trainings to repeat; write runs: { lora: [a selection] }")
    if runs and len(values) < 2:
        raise InputError("config: seeds.values: no other seed to repeat trainings with; write values: [42, 43, 44]")
    for method in runs:
        if study["train"]["source"][method] == "released":
            raise InputError(
                f"config: seeds.runs.{method}: its models are released ones, which cannot be trained again; leave it"
                " out, or set train.source to trained"
            )
    taken = [repeated(recipe, seed) for recipe in study["recipes"] for seed in values]
    if both := [recipe for recipe in study["recipes"] if recipe in taken]:
        raise InputError(f"config: recipes.{both[0]}: is the name of a repeated training; choose another name")


def check_methods(study: Mapping) -> None:
    """Training on the held-out rows as well must not exceed the budget of a recipe."""
    for method in study["methods"]:
        if study["train"][method]["validation"] == "nothing-held-out" and study["recipe"]["hold_out"] == "ids":
            raise InputError(
                f"config: {section_of(study, method, 'train')}.validation: nothing-held-out trains on the"
                " held-out rows as well, and recipe.hold_out: ids holds out rows of every language, which exceeds the"
                " budget of one-language: set recipe.hold_out to rows, or validation to none"
            )


def check_models(study: Mapping) -> None:
    """Each selected model needs a row of `compute` for both methods, and models pretrained here need a corpus."""
    largest = min(max(row["up_to"] for row in study["compute"][method]) for method in METHODS)
    for model in selected_models(study, study["select"]):
        if study["models"][model]["billions"] > largest:
            raise InputError(
                f"config: compute: no row covers models.{model}.billions; add one with a larger up_to to lora and full"
            )
    pretrained = any("architecture" in entry for entry in study["models"].values())
    if pretrained and not {"corpus", "pretrain"} <= study.keys():
        raise InputError("config: corpus, pretrain: missing; models with an `architecture` are pretrained with them")


def check_compute(study: Mapping) -> None:
    """A job must fit the nodes: otherwise Slurm would refuse it or keep it pending forever."""
    if study["compute"]["start"] == "warm" and study["compute"]["accelerator"] == "gpu":
        raise InputError("config: compute.start: warm is for the CPU, as forks cannot use a GPU; write cold")
    node = study["compute"]["node"]
    for method in METHODS:
        for position, row in enumerate(study["compute"][method]):
            key = f"config: compute.{method}[{position}]"
            if row["ranks"] > node["gpus"] and method == "lora":
                raise InputError(f"{key}.ranks: LoRA runs on one node; use at most compute.node.gpus, {node['gpus']}")
            if row["ranks"] > node["gpus"] and row["ranks"] % node["gpus"]:
                raise InputError(f"{key}.ranks: several nodes must be filled; use a multiple of compute.node.gpus")
            if parse_size(row["memory"]) > parse_size(node["memory"]):
                raise InputError(f"{key}.memory: is more than compute.node.memory, {node['memory']}; use less")


def check_templates(study: Mapping) -> None:
    """Two templates need different names: the folder of tokens is named after its template."""
    templates = [Path(path) for path in dict.fromkeys(training_template(study, method) for method in METHODS)]
    if len({path.stem for path in templates}) < len(templates):
        raise InputError(
            f"config: tokenize.template: two files are called {templates[0].stem}, so their tokens would share a"
            " folder; rename one"
        )


def check_plan(study: Mapping) -> None:
    """A plan needs the peak FLOP/s of its device."""
    device = study["plan"]["device"]
    if not (study["plan"]["flops"] or peak_flops(device)):
        raise InputError(
            f"config: plan.device: {device!r} is not one of {', '.join(PEAKS)}; use one of them, or set plan.flops to"
            " the FLOP/s in its data sheet"
        )
