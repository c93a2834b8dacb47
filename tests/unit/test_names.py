"""One name for each method, model, recipe and language, wherever people read."""

import json

import pytest

from reporting.drawing import SERIES as DRAWN
from reporting.names import SERIES, Names, model_names, named_language, size_name, with_language_names
from studies import LANGUAGES, miniature, paper, preset
from study.matrix import Matrix
from study.recipes import Recipes
from study.selections import Selections


def names_of(config):
    return Names(**json.loads(Selections(config, Matrix(config), Recipes(config), LANGUAGES).names()))


@pytest.mark.parametrize(
    ("billions", "name"), [(0.07, "70M"), (0.0003, "0.3M"), (1, "1B"), (1.4, "1.4B"), (7.1, "7.1B"), (12, "12B")]
)
def test_sizes_are_in_millions_below_a_billion_as_in_the_paper(billions, name):
    assert size_name(billions) == name


def test_a_model_is_named_by_family_and_size_and_by_its_key_where_that_is_not_enough():
    bloom = {"label": "BLOOM", "billions": 7.1}
    assert model_names({"bloom-7b1": bloom}) == {"bloom-7b1": "BLOOM 7.1B"}
    assert model_names({"bloom-7b1": bloom, "again": bloom, "small": bloom | {"billions": 0.56}}) == {
        "bloom-7b1": "BLOOM 7.1B (bloom-7b1)",
        "again": "BLOOM 7.1B (again)",
        "small": "BLOOM 560M",
    }


def test_recipes_are_called_like_the_series_of_the_figures_and_monolingual_ones_by_their_language():
    names = names_of(paper())
    recipes = ("multilingual", "downsampled", "mono-en", "mono-es", "monolingual")
    assert [names.recipe(recipe) for recipe in recipes] == [
        "Multilingual",
        "Downsampled",
        "English-only",
        "Monolingual (Spanish)",
        "Monolingual",
    ]
    assert {name: DRAWN[name].label for name in SERIES} == SERIES
    assert names_of(preset("equal-tokens")).recipe("equal-tokens") == "Equal tokens"


def test_a_repeated_training_is_called_by_its_seed_too():
    names = names_of(preset("three-seeds"))
    assert names.recipe("downsampled-seed43") == "Downsampled, seed 43"
    assert names.recipe("mono-es-seed44") == "Monolingual (Spanish), seed 44"


def test_every_model_and_language_of_a_study_has_a_name_of_its_own_in_the_studys_order():
    for config in (paper(), miniature()):
        names = names_of(config)
        assert list(names.models) == Matrix(config).models
        assert list(names.languages) == Matrix(config).tested
        assert len(set(names.models.values())) == len(names.models)
    assert list(names_of(paper()).models.values())[:2] == ["Pythia 70M", "Pythia 160M"]


def test_a_row_has_names_in_place_of_keys_and_what_has_no_name_stays():
    names = Names(methods={"lora": "LoRA"}, models={"m": "BLOOM 3B"}, languages={"es": "Spanish"})
    row = {"method": "lora", "model": "m", "recipe": "mono-es", "lang": "es", "score": 7}
    assert names.shown(row) == {
        "method": "LoRA",
        "model": "BLOOM 3B",
        "recipe": "Monolingual (Spanish)",
        "language": "Spanish",
        "score": 7,
    }
    unknown = {"method": "mine", "model": "other", "recipe": "my-mix", "lang": "fi"}
    assert list(names.shown(unknown).values()) == list(unknown.values())
    assert names.shown({"model": "m"}) == {"model": "BLOOM 3B"}


def test_languages_may_be_given_with_or_without_a_name():
    assert dict(map(named_language, ["es=Spanish", "zh"])) == {"es": "Spanish", "zh": "zh"}
    rows = [{"language": "es"}, {"language": None}, {"judge": "j"}]
    assert with_language_names(rows, {"es": "Spanish"}) == [{"language": "Spanish"}, {"language": None}, {"judge": "j"}]
