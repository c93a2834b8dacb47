"""What each method trains with, and the released models that can replace a training."""

import json

import pytest

from basics.errors import InputError
from studies import miniature, paper, preset, run, wildcards
from study.bases import Bases
from study.compute import Compute
from study.recipes import Recipes
from study.released import ReleasedModels
from study.trainings import Trainings

WIDE = {"lora-wide": {"of": "lora", "train": {"rank": 64, "modules": ["q", "v"], "adapter": "dora"}}}


def trainings(config: dict) -> Trainings:
    return Trainings(config, Bases(config), Compute(config), Recipes(config))


def settings(config: dict, path: str) -> dict:
    return json.loads(trainings(config).settings(run(path)))


def test_a_derived_method_is_like_lora_or_full():
    own = trainings(paper(methods=WIDE))
    assert (own.methods_like("lora"), own.methods_like("full")) == (["lora", "lora-wide"], ["full"])
    assert own.base_method(run("lora-wide/bloom-3b/mono-es")) == "lora"


def test_each_method_is_trained_or_released_and_a_derived_one_is_always_trained():
    released = trainings(paper(methods=WIDE, train={"source": "released"}))
    assert released.methods_from("released") == ["lora", "full"]
    assert released.methods_from("trained") == ["lora-wide"]
    assert released.methods_from("trained", "full") == []
    assert trainings(paper()).methods_from("trained") == ["lora", "full"]


def test_lora_adapts_the_methods_own_modules_or_those_of_the_family():
    own = trainings(paper(methods=WIDE))
    assert own.adapter_modules(run("lora-wide/llama-7b/mono-es")) == ["q", "v"]
    assert own.adapter_modules(run("lora/llama-7b/mono-es")) == ["q_proj", "k_proj", "v_proj"]


def test_loras_own_settings_are_separate_and_modules_are_not_a_setting():
    made = settings(paper(methods=WIDE), "lora-wide/bloom-7b1/mono-es")
    assert made["lora"] == {"rank": 64, "alpha": 16, "dropout": 0.05, "adapter": "dora"}
    assert not {"rank", "alpha", "dropout", "adapter", "modules"} & made.keys()
    assert (made["seed"], made["learning_rate"], made["batch"], made["epochs"]) == (42, 3e-4, 128, 5)


def test_larger_models_have_settings_that_save_memory():
    small, large = (settings(paper(), f"full/{model}/mono-es") for model in ("bloom-560m", "bloom-7b1"))
    assert (small["zero_stage"], "activations" in small) == (2, False)
    assert (large["zero_stage"], large["activations"]) == (3, "recompute")
    assert "lora" not in large


def test_a_repeated_training_differs_in_its_seed_alone():
    once, again = (
        settings(preset("three-seeds"), f"lora/bloom-7b1/{recipe}") for recipe in ("mono-es", "mono-es-seed43")
    )
    assert (once["seed"], again) == (42, once | {"seed": 43})


def test_a_score_has_the_seed_of_its_training_where_that_is_known():
    again = run("lora/bloom-7b1/mono-es-seed43")
    assert trainings(preset("three-seeds")).seed_options(again) == ["--seed", 43]
    released = trainings(paper(train={"source": "released"}))
    assert released.seed_options(run("lora/bloom-7b1/mono-es")) == []


def test_a_micro_batch_is_searched_for_where_its_size_is_left_open():
    training, given = run("full/bloom-3b/mono-es"), run("full/tiny-bloom-s/mono-es")
    assert trainings(paper()).micro_batch(training) == ["<results>/micro_batches/full/bloom-3b.json"]
    assert trainings(miniature()).micro_batch(given) == []
    options = trainings(paper()).micro_batch_options(training, wildcards(micro_batch=["found.json"]))
    assert options == ["--micro-batch", "found.json"]
    assert trainings(miniature()).micro_batch_options(given, wildcards(micro_batch=[])) == []


# Released models


def released(**changes) -> ReleasedModels:
    config = paper(train={"source": "released"}, released=changes)
    return ReleasedModels(config, Bases(config))


def test_a_released_model_is_fetched_from_the_authors_repository_by_its_pin():
    options = released().options(run("full/bloom-1b1/mono-ru"))
    assert released().folder(run("full/bloom-1b1/mono-ru")) == []
    assert options == [
        "--repo",
        "HPLT/sft-fpft-ru-bloom-1b1",
        "--revision",
        "24962f99fb6bf482fb54046a27ed7d11bba28ff1",
        "--sha256",
        "model.safetensors=82d05fc33be11f4114139db5e942c460634d9e00aee87da643c519d430d89336",
    ]


def test_an_unknown_hash_is_not_checked(monkeypatch):
    pin = {"revision": "1" * 40, "sha256": {"model.safetensors": None}}
    registry = {"models": {"HPLT/sft-fpft-es-bloom-3b": pin}, "pickled": []}
    monkeypatch.setattr("study.released.read_released_registry", lambda: registry)
    options = released().options(run("full/bloom-3b/mono-es"))
    assert options == ["--repo", "HPLT/sft-fpft-es-bloom-3b", "--revision", "1" * 40]


def test_a_users_folder_comes_before_the_repository_and_an_adapter_must_fit_its_base():
    mine = released(lora={"path": "my/{model}/{recipe}"})
    assert mine.folder(run("lora/llama-7b/mono-es")) == "my/llama-7b/mono-es"
    assert mine.options(run("lora/llama-7b/mono-es")) == [
        *["--path", "my/llama-7b/mono-es"],
        *["--adapter-modules", "q_proj", "k_proj", "v_proj"],
        *["--base-repo", "huggyllama/llama-7b"],
    ]


def test_a_base_without_a_repository_is_not_compared():
    config = miniature(train={"source": "released"}, released={"lora": {"path": "my/{model}/{recipe}"}})
    options = ReleasedModels(config, Bases(config)).options(run("lora/tiny-llama/mono-es"))
    assert "--base-repo" not in options


def test_a_model_without_a_pin_is_refused():
    with pytest.raises(InputError, match="sft-fpft-es-bloom-3b"):
        released().options(run("full/bloom-3b/mono-es"))
