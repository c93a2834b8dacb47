"""The recipes of a configuration as options of recipe.py, and what tokenization takes from them."""

import pytest

from studies import miniature, paper, preset, run, wildcards
from study.bases import Bases
from study.matrix import Run
from study.recipes import Recipes
from study.tokens import Tokens


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    return Recipes(paper())


def recipe(name: str):
    return wildcards(recipe=name)


def mixed(**mix) -> Recipes:
    """The paper's recipes, and one named `mine` with these settings."""
    return Recipes(paper(recipes={"mine": {"languages": ["en", "es"], "rows": "one-language"} | mix}))


def test_there_is_a_monolingual_recipe_for_each_language_seen_and_those_of_the_configuration(recipes):
    monolingual = ["mono-en", "mono-es", "mono-fr", "mono-bg", "mono-ru", "mono-zh"]
    assert list(recipes.mixes) == [*monolingual, "multilingual", "downsampled"]
    assert recipes.mixes["mono-bg"] == {"languages": ["bg"], "rows": "all"}


def test_monolingual_recipes_have_a_budget_in_tokens_where_the_configuration_says_so():
    mixes = Recipes(preset("equal-tokens")).mixes
    assert mixes["mono-bg"] == {"languages": ["bg"], "tokens": "one-language"}
    assert mixes["mono-en"] == {"languages": ["en"], "rows": "all"}, "it is the measure for the others"


def test_english_rows_are_the_seed_and_others_are_translated(recipes):
    assert recipes.rows_in("en") == "<results>/seed/train.jsonl"
    assert recipes.rows_in("fi") == "<results>/translated/fi.jsonl"


def test_a_recipe_reads_the_rows_of_its_languages():
    made = mixed()
    assert made.row_files(recipe("mine")) == ["<results>/seed/train.jsonl", "<results>/translated/es.jsonl"]
    options = made.language_options(recipe("mine"), wildcards(rows=["seed.jsonl", "es.jsonl"]))
    assert options == ["--language", "en=seed.jsonl", "--language", "es=es.jsonl"]


@pytest.mark.parametrize(
    ("name", "rows"), [("multilingual", "all"), ("downsampled", "one-language"), ("mono-es", "all")]
)
def test_a_recipe_has_a_number_of_rows(recipes, name, rows):
    assert recipes.rows(recipe(name)) == rows


def test_a_budget_in_tokens_applies_later_so_all_rows_are_drawn():
    assert Recipes(preset("equal-tokens")).rows(recipe("equal-tokens")) == "all"


@pytest.mark.parametrize(
    ("mix", "options"),
    [
        ({}, []),
        ({"sampling": "proportional"}, ["--sampling", "proportional"]),
        ({"temperature": 2.0}, ["--temperature", 2.0]),
        ({"others": 100}, ["--others", 100]),
        ({"weights": {"en": 3, "es": 1}}, ["--weight", "en=3", "--weight", "es=1"]),
    ],
)
def test_languages_share_the_rows_as_the_mix_says(mix, options):
    assert mixed(**mix).share_options(recipe("mine")) == options


def test_a_recipe_drops_the_flags_of_its_own_list_or_those_of_all_recipes():
    config = paper(recipe={"drop_flags": ["copied", "language"]}, recipes={"downsampled": {"drop_flags": []}})
    recipes = Recipes(config)
    assert recipes.drop_flag_options(recipe("downsampled")) == []
    assert recipes.drop_flag_options(recipe("mono-es")) == ["--drop-flag", "copied", "--drop-flag", "language"]


# Tokens


def tokens(config: dict) -> Tokens:
    return Tokens(config, Bases(config), Recipes(config))


def test_methods_with_the_same_template_share_their_tokens():
    shared = tokens(paper())
    assert shared.templates == {"alpaca": "resources/templates/alpaca.json"}
    folders = {shared.folder(run(f"{method}/bloom-3b/mono-es")) for method in ("lora", "full")}
    assert folders == {"<results>/tokens/bloom/alpaca/mono-es"}


def test_each_method_may_have_a_template_of_its_own():
    own = tokens(preset("authors-code"))
    assert own.folder(run("lora/bloom-3b/mono-es")) == "<results>/tokens/bloom/alpaca/mono-es"
    assert own.folder(run("full/bloom-3b/mono-es")) == "<results>/tokens/bloom/alpaca-no-newline/mono-es"
    assert own.template(wildcards(template="alpaca-no-newline")) == "resources/templates/alpaca-no-newline.json"
    assert own.base_template == "resources/templates/alpaca.json", "LoRA's template"
    used = [own.template_of_run(run(f"{method}/bloom-3b/mono-es")) for method in ("lora", "full")]
    assert used == ["resources/templates/alpaca.json", "resources/templates/alpaca-no-newline.json"]


def test_a_recipe_with_as_many_tokens_as_english_reads_the_english_ones_first():
    equal = tokens(preset("equal-tokens"))
    assert equal.english(recipe("mono-bg")) == ["<results>/tokens/{family}/{template}/mono-en"]
    assert equal.budget_options(recipe("mono-bg"), wildcards(english="tokens/mono-en")) == [
        "--tokens-of",
        "tokens/mono-en",
    ]


def test_a_budget_in_tokens_may_be_a_number_or_none():
    config = paper(recipes={"mine": {"languages": ["en"], "tokens": 1000}})
    assert tokens(config).english(recipe("mine")) == []
    assert tokens(config).budget_options(recipe("mine"), wildcards(english=[])) == ["--tokens", 1000]
    assert tokens(config).budget_options(recipe("multilingual"), wildcards(english=[])) == []


def test_the_miniature_has_the_same_recipes_in_fewer_languages():
    mixes = Recipes(miniature()).mixes
    assert [name for name in mixes if name.startswith("mono-")] == ["mono-en", "mono-es", "mono-bg", "mono-zh"]
    assert mixes["multilingual"]["languages"] == ["en", "es", "fr", "bg", "ru", "zh"]


def test_of_some_runs_the_soonest_has_the_recipe_with_the_fewest_languages(recipes):
    names = ("multilingual", "mono-en", "mono-es", "downsampled")
    runs = [Run("lora", "bloom-560m", name) for name in names]
    assert recipes.soonest(runs) == [runs[1]] and recipes.soonest([]) == []
