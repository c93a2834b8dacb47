"""What the short forms of a configuration stand for: sweeps, methods that change some settings of another, values by
language. The Snakefile calls `expanded` once a configuration has passed its checks; rules see only the result.

  recipes.<name>.languages: all    every language of languages.train
  recipes.<name>.first: 3          the first three of its languages
  recipes.<name>.sweep             { first: [1, 2, 3] } stands for the recipes <name>-1, <name>-2, <name>-3
  methods.<name>                   { of: lora, train: { rank: 64 } } is LoRA with another rank, always trained here
  methods.<name>.sweep             { learning_rate: [1.0e-4, 3.0e-4] } stands for <name>-0.0001 and <name>-0.0003
  translation.source, data.prompts, translation.architecture
                                   one value for all languages, or a default and some overrides
  data.prompts_used: all           as many as data.prompts_expected
  rating_sheet.languages: all      every language that is tested
  draw                             of `figures`, only those named here are kept
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import NamedTuple

from basics.errors import InputError
from study.series import METHODS, SERIES_OF_KIND, recipe_of

ADAPTER = ("rank", "alpha", "dropout", "adapter", "modules")  # settings of LoRA that full tuning does not have


class Sweep(NamedTuple):
    """One setting with several values: `members` are the recipes or methods, by value."""

    key: str
    members: dict[float, str]
    of: str | None  # the method that is changed; None for a sweep of recipes


def member_name(name: str, value: float) -> str:
    """The name of the recipe or method for one value of a sweep."""
    return f"{name}-{value:g}"


def sweeps(config: Mapping) -> dict[str, Sweep]:
    """The sweeps of a configuration by name."""
    return {
        name: Sweep(key, {value: member_name(name, value) for value in values}, entry.get("of"))
        for kind in ("recipes", "methods")
        for name, entry in config[kind].items()
        for key, values in entry.get("sweep", {}).items()
    }


def variants(name: str, entry: Mapping) -> list[tuple[str, dict]]:
    """What an entry stands for: each name with the setting that its sweep changes; without a sweep, just itself."""
    swept = entry.get("sweep", {}).items()
    return [(member_name(name, value), {key: value}) for key, values in swept for value in values] or [(name, {})]


def by_language(value: object, languages: Iterable[str]) -> dict[str, object]:
    """A value for each language, from one value for all or from a default with overrides."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(languages, value)
    return {lang: value.get(lang, value["default"]) for lang in languages}


def place_of(name: str, sources: Mapping, lang: str | None = None) -> str | None:
    """The local file that a name stands for: the name itself if it is a path, which contains a slash, or the `path` of
    an entry of `sources`; None if that is downloaded or made."""
    place = name if "/" in name else sources[name].get("path")
    return place and place.replace("{lang}", lang or "{lang}")


def recipes_of(config: Mapping) -> dict[str, dict]:
    """The mixtures, each with its languages as a list, and sweeps expanded into the recipes that they stand for."""
    found = {}
    for name, entry in config["recipes"].items():
        settings = {key: value for key, value in entry.items() if key != "sweep"}
        for variant, changed in variants(name, entry):
            mix = deepcopy(settings) | changed
            _refuse_twice(f"recipes.{name}", variant, found)
            if mix["languages"] == "all":
                mix["languages"] = list(config["languages"]["train"])
            if (first := mix.pop("first", None)) is not None:
                if first > len(mix["languages"]):
                    raise InputError(
                        f"config: recipes.{variant}: first is {first}, but it has {len(mix['languages'])} languages;"
                        " use fewer, or add languages"
                    )
                mix["languages"] = mix["languages"][:first]
            found[variant] = mix
    return found


def _refuse_twice(key: str, name: str, found: Mapping) -> None:
    if name in found:
        raise InputError(f"config: {key}: there is already a {name}; choose another name")


def methods_of(config: Mapping) -> dict[str, dict]:
    """Every method: which of lora and full it is based on (`of`), its name in figures (`label`), `train`, `respond`."""
    found = {
        method: {"of": method, "label": label, "train": config["train"][method], "respond": config["respond"][method]}
        for method, label in METHODS.items()
    }
    for name, entry in config["methods"].items():
        base = found[entry["of"]]
        label = entry.get("label", name)
        for variant, changed in variants(name, entry):
            _refuse_twice(f"methods.{name}", variant, found)
            train = base["train"] | entry.get("train", {}) | changed
            if entry["of"] == "full" and (wrong := [key for key in ADAPTER if key in train]):
                raise InputError(
                    f"config: methods.{name}: {wrong[0]} is a setting of LoRA; write of: lora, or remove it"
                )
            respond = base["respond"] | entry.get("respond", {})
            label_parts = [label, *(f"{key.replace('_', ' ')} {value:g}" for key, value in changed.items())]
            found[variant] = {"of": entry["of"], "label": ", ".join(label_parts), "train": train, "respond": respond}
    return found


def selected_models(study: Mapping, selections: Iterable[str]) -> list[str]:
    """Models of the named selections, in order, without repetition."""
    return list(dict.fromkeys(model for name in selections for model in study["select"][name]))


def methods_shown(study: Mapping, figure: Mapping) -> dict[str, list[str]]:
    """The methods of a figure, each with its models; for a sweep of methods, its members in place of the method
    that they change."""
    runs = {method: selected_models(study, selections) for method, selections in figure["runs"].items()}
    sweep = study["sweeps"].get(figure.get("sweep"))
    return dict.fromkeys(sweep.members.values(), runs[sweep.of]) if sweep and sweep.of else runs


def points_of(study: Mapping, figure: Mapping) -> list[tuple[str, str]]:
    """Recipe and language of each point in a figure, the same for each of its models."""
    sweep = study["sweeps"].get(figure.get("sweep"))
    series = figure.get("series", SERIES_OF_KIND[figure["kind"]])
    if sweep and not sweep.of:
        series = sweep.members.values()
    languages = study["languages"]["unseen" if figure["kind"] == "unseen" else "seen"]
    return [(recipe_of(name, lang), lang) for name in series for lang in languages]


def expanded(config: Mapping) -> dict:
    """The configuration with every short form written out; `config` itself is not changed.

    `methods` then includes lora and full, and every mapping by method (train, respond, compute, and template and source
    where they vary) has an entry for each. Raises InputError for a short form that cannot be expanded.
    """
    study = deepcopy(dict(config))
    study["sweeps"] = sweeps(config)
    study["figures"] = {figure: study["figures"][figure] for figure in study["draw"]}
    study["recipes"] = recipes_of(config)
    study["methods"] = methods_of(config)
    template, source = study["tokenize"]["template"], study["train"]["source"]
    study["tokenize"]["template"], study["train"]["source"] = {}, {}
    for name, method in study["methods"].items():
        study["train"][name], study["respond"][name] = method["train"], method["respond"]
        study["compute"][name] = study["compute"][method["of"]]
        study["tokenize"]["template"][name] = template[method["of"]] if isinstance(template, dict) else template
        base_source = source[method["of"]] if isinstance(source, dict) else source
        study["train"]["source"][name] = base_source if name in METHODS else "trained"
    translated = study["languages"]["train"][1:]
    for key in ("source", "architecture"):
        study["translation"][key] = by_language(study["translation"][key], translated)
    tested = [*study["languages"]["seen"], *study["languages"]["unseen"]]
    data = study["data"]
    data["prompts"] = by_language(data["prompts"], tested)
    data["prompts_used"] = data["prompts_expected"] if data["prompts_used"] == "all" else data["prompts_used"]
    if study["rating_sheet"]["languages"] == "all":
        study["rating_sheet"]["languages"] = tested
    return study


def section_of(study: Mapping, method: str, part: str) -> str:
    """The key of a method's `train` or `respond` in the configuration: train.lora, or methods.<entry>.train."""
    if method in METHODS:
        return f"{part}.{method}"
    swept = (name for name, sweep in study["sweeps"].items() if sweep.of and method in sweep.members.values())
    return f"methods.{next(swept, method)}.{part}"


def training_template(config: Mapping, method: str) -> str:
    """File of the template that a method trains with: `tokenize.template` is one for all methods, or one for each."""
    template = config["tokenize"]["template"]
    return template[method] if isinstance(template, Mapping) else template


def answering_template(config: Mapping, method: str) -> str:
    """File of the template that a method answers with: its own if it has one, else that of its training."""
    return config["respond"][method].get("template") or training_template(config, method)


def asked(config: Mapping) -> list[Mapping]:
    """The judges that are called or served, and rate every response; figures show the first."""
    return [judge for judge in config["judges"] if "human" not in judge]
