"""Trainings that are repeated with other seeds: which runs these are, and what of them differs."""

import pytest

from basics.errors import InputError
from studies import paper, preset, run, wildcards
from study.bases import Bases
from study.contradictions import check_seeds
from study.matrix import Matrix
from study.recipes import Recipes
from study.tokens import Tokens

SEEDS = {"values": [42, 43, 44], "runs": {"lora": ["bloom"]}, "recipes": ["downsampled", "multilingual"]}


@pytest.fixture(scope="module")
def repeated() -> dict:
    return paper(seeds=SEEDS)


def test_a_study_without_further_seeds_has_one_training_each():
    assert not any("seed" in path for path in Matrix(paper()).paths)


def test_repeated_runs_have_a_name_of_their_own_beside_that_of_the_studys_seed(repeated):
    paths = Matrix(repeated).paths
    for name in ("downsampled", "downsampled-seed43", "downsampled-seed44", "mono-es"):
        assert f"lora/bloom-3b/{name}" in paths
    assert "lora/bloom-3b/downsampled-seed42" not in paths, "that is `downsampled`"
    assert "lora/bloom-3b/mono-es-seed43" not in paths, "the recipe is not among those to repeat"
    assert "full/bloom-3b/downsampled-seed43" not in paths
    assert "lora/pythia-70m/downsampled-seed43" not in paths


def test_a_repeated_run_answers_what_the_run_answers(repeated):
    runs = Matrix(repeated).runs
    assert runs[run("lora/bloom-3b/downsampled-seed43")] == runs[run("lora/bloom-3b/downsampled")]


def test_the_preset_repeats_the_7b_trainings_of_figures_3_4_and_7_and_keeps_the_papers():
    study, others = preset("three-seeds"), Matrix(paper()).runs
    added = [each for each in Matrix(study).runs if each not in others]
    assert study["experiment"] == "paper", "its trainings join those that are there"
    assert set(others) <= set(Matrix(study).runs)
    assert len(added) == 5 * 8 * 2, (
        "four models with LoRA and one with full-parameter, eight recipes, two further seeds"
    )
    assert {each.model for each in added} == {"llama-7b", "open-llama-7b", "pythia-6.9b", "bloom-7b1"}


# Rows


def test_a_recipe_that_samples_its_rows_is_assembled_again_for_each_seed_and_another_is_not(repeated):
    recipes = Recipes(repeated)
    assert [name for name in recipes.assembled if "seed" in name] == ["downsampled-seed43", "downsampled-seed44"]
    assert recipes.sample_options(wildcards(recipe="downsampled-seed43")) == ["--sample-seed", 43]
    assert recipes.sample_options(wildcards(recipe="downsampled")) == []
    assert recipes.language_options(
        wildcards(recipe="downsampled-seed43"), wildcards(rows=list("abcdefghi"))
    ) == recipes.language_options(wildcards(recipe="downsampled"), wildcards(rows=list("abcdefghi")))


def test_a_repeated_run_trains_on_its_own_sample_or_on_the_same_rows_in_another_order(repeated):
    tokens = Tokens(repeated, Bases(repeated), Recipes(repeated))
    folder = "<results>/tokens/bloom/alpaca"
    assert tokens.folder(run("lora/bloom-3b/downsampled-seed43")) == f"{folder}/downsampled-seed43"
    assert tokens.folder(run("lora/bloom-3b/multilingual-seed43")) == f"{folder}/multilingual"


@pytest.mark.parametrize(
    ("mix", "sampled"),
    [
        ({"rows": "all"}, False),
        ({"rows": 100}, True),
        ({"tokens": "one-language"}, True),
        ({"rows": "all", "sampling": "even"}, True),
        ({"rows": "all", "weights": {"en": 1, "es": 2}}, True),
    ],
    ids=str,
)
def test_a_recipe_of_all_rows_has_none_to_sample(mix, sampled):
    study = paper(
        recipes={"mine": {"languages": ["en", "es"]} | mix},
        seeds={"values": [42, 7], "runs": {"lora": ["bloom"]}, "recipes": ["mine"]},
    )
    assert (Recipes(study).with_rows("mine-seed7") == "mine-seed7") is sampled


# Faults that only an expanded configuration shows


def test_released_models_cannot_be_repeated():
    study = paper(seeds=SEEDS, train={"source": "released"})
    with pytest.raises(InputError, match="its models are released ones, which cannot be trained again"):
        check_seeds(study)


def test_a_recipe_cannot_have_the_name_of_a_repeated_training():
    study = paper(seeds=SEEDS, recipes={"downsampled-seed43": {"languages": ["en"], "rows": "all"}})
    with pytest.raises(InputError, match="is the name of a repeated training"):
        check_seeds(study)
