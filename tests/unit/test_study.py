"""The short forms of a configuration, written out: sweeps, derived methods, mixtures, values by language."""

from pathlib import Path

import pytest

from basics.errors import InputError
from basics.paths import REPOSITORY
from study import checking, short_forms
from study.configuration import merge, read_configs

CONFIG = Path(REPOSITORY) / "config"
PRESETS = ["languages", "pinch", "equal-tokens", "learning-rate", "three-seeds"]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(CONFIG.parent)


def load(**changes) -> dict:
    return merge(read_configs([CONFIG / "config.yaml"]), changes)


def test_the_languages_all_are_the_training_languages():
    config = load()
    assert short_forms.expanded(config)["recipes"]["multilingual"]["languages"] == config["languages"]["train"]


def test_a_sweep_of_recipes_stands_for_one_recipe_per_value():
    config = load(recipes={"some": {"languages": ["en", "es", "fr"], "rows": "all", "sweep": {"first": [1, 3]}}})
    recipes = short_forms.expanded(config)["recipes"]
    assert recipes["some-1"] == {"languages": ["en"], "rows": "all"}
    assert recipes["some-3"] == {"languages": ["en", "es", "fr"], "rows": "all"}
    assert "some" not in recipes


def test_a_derived_method_is_another_one_with_some_settings_changed():
    config = load(methods={"lora-r64": {"of": "lora", "train": {"rank": 64}, "respond": {"beams": 1}}})
    made = short_forms.expanded(config)
    assert made["train"]["lora-r64"] == config["train"]["lora"] | {"rank": 64}
    assert made["respond"]["lora-r64"] == config["respond"]["lora"] | {"beams": 1}
    assert made["compute"]["lora-r64"] == config["compute"]["lora"]
    assert config["train"].keys() == {"source", "lora", "full"}, "the input is not changed"


def test_a_sweep_of_methods_stands_for_one_method_per_value():
    config = load(methods={"lr": {"of": "full", "label": "Full", "sweep": {"learning_rate": [1e-5, 0.5]}}})
    made = short_forms.expanded(config)
    assert {name: entry["label"] for name, entry in made["methods"].items() if name.startswith("lr")} == {
        "lr-1e-05": "Full, learning rate 1e-05",
        "lr-0.5": "Full, learning rate 0.5",
    }
    assert made["train"]["lr-0.5"]["learning_rate"] == 0.5
    assert made["sweeps"]["lr"] == ("learning_rate", {1e-5: "lr-1e-05", 0.5: "lr-0.5"}, "full")


def test_a_derived_method_is_trained_even_where_others_are_released():
    config = load(methods={"mine": {"of": "full"}}, train={"source": "released"})
    assert short_forms.expanded(config)["train"]["source"] == {
        "lora": "released",
        "full": "released",
        "mine": "trained",
    }


def test_some_languages_may_have_a_value_beside_the_default():
    config = load(translation={"source": {"default": "firefox", "fi": "my-data/fi.jsonl"}})
    sources = short_forms.expanded(config)["translation"]["source"]
    assert sources["fi"] == "my-data/fi.jsonl" and set(sources) == set(config["languages"]["train"][1:])
    assert {source for lang, source in sources.items() if lang != "fi"} == {"firefox"}


def test_a_figure_of_a_sweep_shows_its_members():
    config = load(
        methods={"lr": {"of": "lora", "sweep": {"learning_rate": [0.25, 0.5]}}},
        figures={"figure9": {"kind": "sweep", "sweep": "lr", "runs": {"lora": ["bloom"]}}},
        draw=["figure9"],
    )
    made = short_forms.expanded(config)
    assert list(made["figures"]) == ["figure9"]
    shown = short_forms.methods_shown(made, made["figures"]["figure9"])
    assert shown == dict.fromkeys(["lr-0.25", "lr-0.5"], config["select"]["bloom"])
    assert set(short_forms.points_of(made, made["figures"]["figure9"])) == {
        ("mono-en", lang) for lang in config["languages"]["seen"]
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_beyond_the_paper_is_sound(preset):
    checking.check_configuration(read_configs([CONFIG / "config.yaml", CONFIG / "presets" / f"{preset}.yaml"]))


MIX = {"languages": ["en", "es"], "rows": "all"}
FIGURE = {"kind": "sweep", "sweep": "lr", "runs": {"lora": ["bloom"]}}
LR = {"lr": {"of": "lora", "sweep": {"learning_rate": [0.25, 0.5]}}}
MINE = {"models": {"mine": {"family": "bloom", "billions": 1, "path": "my-models/mine"}}, "select": {"bloom": ["mine"]}}
JUDGE = {"name": "mine", "label": "Mine", "model": "a-model"}
FAULTS = {
    "a missing base model": (MINE, "models.mine.path: my-models/mine/config.json does not exist; correct"),
    "a base model of an unknown family": (
        {"models": {"mine": MINE["models"]["mine"] | {"family": "blom"}}},
        "models.mine.family: 'blom' is not an entry of `families`: add it there; did you mean 'bloom'?",
    ),
    "a training language without a model": (
        {"languages": {"train": ["en", "sw"], "seen": ["en"]}},
        "translation.source: there is no Firefox model for 'sw'",
    ),
    "missing prompts": (
        {"data": {"prompts": {"default": "openassistant", "bn": "my-data/bn.jsonl"}}},
        "data.prompts.bn: my-data/bn.jsonl does not exist; correct the path or put the file there",
    ),
    "a judge that is neither called nor served": (
        {"judges": [JUDGE]},
        "judges[0]: give exactly one of base_url or serve",
    ),
    "a missing seed data set": ({"data": {"seed": "./mine.json"}}, "data.seed: ./mine.json does not exist"),
    "a sample that is held out entirely": (
        {"data": {"rows": 1000}},
        "data.rows: 1000 rows, and recipe.validation_rows holds out 1000; use more",
    ),
    "a sample larger than the seed": (
        {"data": {"seed": "resources/demo/seed.jsonl", "rows": 2000}},
        "resources/demo/seed.jsonl: 174 rows, but data.rows asks for 2,000; ask for fewer, or for all",
    ),
    "more prompts than there are": (
        {"data": {"prompts_used": 51}},
        "data.prompts_used: 51, but data.prompts_expected is 50; use fewer, or all",
    ),
    "a hash that is never checked": (
        {"models": {"pythia-70m": {"sha256": "0" * 64}}},
        "models.pythia-70m.sha256: goes with gguf; add that, or remove it",
    ),
    "two budgets": ({"recipes": {"mix": MIX | {"tokens": 7}}}, "recipes.mix: give exactly one of rows and tokens"),
    "no budget": ({"recipes": {"mix": {"languages": ["en"]}}}, "recipes.mix: give exactly one of rows and tokens"),
    "two ways to share": (
        {"recipes": {"mix": MIX | {"temperature": 2, "weights": {"en": 1, "es": 1}}}},
        "recipes.mix: weights and temperature both say how many rows a language has; keep one",
    ),
    "a language without a weight": (
        {"recipes": {"mix": MIX | {"weights": {"en": 1}}}},
        "recipes.mix.weights: no weight for 'es'; give one for every language",
    ),
    "a weight of a language that is not mixed": (
        {"recipes": {"mix": MIX | {"weights": {"en": 1, "es": 1, "fr": 1}}}},
        "recipes.mix.weights: 'fr' is not one of its languages",
    ),
    "others without a budget": ({"recipes": {"mix": MIX | {"others": 7}}}, "recipes.mix.others: is a part of rows"),
    "more others than rows": (
        {"recipes": {"mix": MIX | {"rows": 5, "others": 7}}},
        "recipes.mix.others: is 7, more than the 5 rows of the recipe",
    ),
    "more languages than there are": (
        {"recipes": {"mix": MIX | {"sweep": {"first": [1, 3]}}}},
        "recipes.mix-3: first is 3, but it has 2 languages",
    ),
    "a sweep of what cannot be swept": (
        {"recipes": {"mix": MIX | {"sweep": {"label": [1]}}}},
        "recipes.mix.sweep.label: unknown key",
    ),
    "a method without a base": (
        {"methods": {"mine": {"train": {}}}},
        "methods.mine.of: missing; The method whose settings",
    ),
    "an adapter's setting for full-parameter training": (
        {"methods": {"mine": {"of": "full", "train": {"rank": 4}}}},
        "methods.mine: rank is a setting of LoRA",
    ),
    "an unknown setting of a method": (
        {"methods": {"mine": {"of": "lora", "train": {"ranc": 4}}}},
        "methods.mine.train.ranc: unknown key; did you mean 'rank'?",
    ),
    "a method with a built-in name": (
        {"methods": {"lora": {"of": "full"}}},
        "methods.lora: there is already a lora; choose another name",
    ),
    "a figure of an unknown method": (
        {"figures": {"figure2": {"runs": {"qlora": ["bloom"]}}}},
        "figures.figure2.runs: 'qlora' is not lora, full or an entry of `methods`",
    ),
    "a figure of an unknown series": (
        {"figures": {"figure2": {"series": ["multilingal"]}}},
        "figures.figure2.series[0]: 'multilingal' is not monolingual, English or a recipe: add it there; did you mean"
        " 'multilingual'?",
    ),
    "an unknown figure to draw": ({"draw": ["figure12"]}, "draw[0]: 'figure12' is not an entry of `figures`"),
    "an unknown sweep": (
        {"figures": {"figure9": FIGURE}, "draw": ["figure9"]},
        "figures.figure9.sweep: 'lr' is not a sweep of `recipes` or `methods`",
    ),
    "a sweep of one method shown for another": (
        {"methods": LR, "figures": {"figure9": FIGURE | {"runs": {"full": ["bloom"]}}}, "draw": ["figure9"]},
        "figures.figure9.runs: lr changes lora; write runs: { lora: [...] }",
    ),
    "a sweep figure without a sweep": (
        {"figures": {"figure2": {"kind": "sweep"}}},
        "figures.figure2.sweep: goes with kind: sweep; give both or neither",
    ),
    "monolingual models of unseen languages": (
        {"figures": {"figure5": {"series": ["monolingual"]}}},
        "figures.figure5.series: unseen languages have no monolingual models",
    ),
    "a file of prompts without a slash": (
        {"data": {"prompts": {"default": "openassistant", "bn": "bn.jsonl"}}},
        "data.prompts.bn: 'bn.jsonl' is not an entry of `sources` with a file: add it there, or give the path of a",
    ),
    "prompts of a language that is not tested": (
        {"data": {"prompts": {"default": "openassistant", "pt": "my-data/pt.jsonl"}}},
        "data.prompts.pt: 'pt' is not a language of languages.train that is translated into, or one that is tested",
    ),
    "one file of translations for two languages": (
        {"translation": {"source": "my-data/es.jsonl"}},
        "translation.source: my-data/es.jsonl is one file for es and fr; put {lang} in its path",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_one_line_that_names_key_and_remedy(kind):
    changes, expected = FAULTS[kind]
    with pytest.raises(InputError) as fault:
        checking.check_configuration(load(**changes))
    assert expected in str(fault.value) and "\n" not in str(fault.value)
