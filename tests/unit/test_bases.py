"""Tokenizers and base models: a user's folder, a repository, or made from a corpus."""

import json

import pytest

from studies import miniature, paper, run, wildcards
from study.bases import Bases

LANGUAGES = ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"]


@pytest.fixture(scope="module")
def fetched() -> Bases:
    return Bases(paper())


@pytest.fixture(scope="module")
def made() -> Bases:
    return Bases(miniature())


def test_the_paper_fetches_all_tokenizers_and_models(fetched):
    assert fetched.tokenizers_with("repo") == r"pythia|bloom|llama|open\-llama"
    assert (fetched.tokenizers_with("vocabulary"), fetched.models_with("architecture")) == ("none", "none")
    assert r"pythia\-1\.4b|" in fetched.models_with("repo"), "a regular expression"


def test_the_miniature_makes_all_of_its_own(made):
    assert made.tokenizers_with("vocabulary") == r"tiny\-pythia|tiny\-bloom|tiny\-llama|tiny\-open\-llama"
    assert made.models_with("architecture").count("|") == 5, "none of the paper's models has one"


def test_the_family_is_given_or_follows_from_the_model(fetched):
    assert fetched.family(wildcards(family="llama")) == "llama"
    assert fetched.family(run("lora/open-llama-7b/mono-es")) == "open-llama"


def test_lora_adapts_the_modules_of_the_family(fetched):
    assert fetched.adapter_modules(run("lora/llama-7b/mono-es")) == ["q_proj", "k_proj", "v_proj"]
    assert fetched.adapter_modules(run("lora/bloom-3b/mono-es")) == ["query_key_value"]


def test_a_model_and_its_tokenizer_are_fetched_by_a_pinned_revision(fetched):
    assert fetched.model(wildcards(model="bloom-3b")) == "<results>/bases/bloom-3b"
    assert fetched.tokenizer(wildcards(model="bloom-3b")) == "<results>/tokenizers/bloom"
    assert fetched.model_source(wildcards(model="bloom-3b"))["revision"] == "52bc5b43010b4844513826b8be3f78c7344c37d7"
    assert fetched.tokenizer_source(wildcards(family="bloom"))["repo"] == "bigscience/bloom-560m"


def test_a_users_folder_is_used_as_it_is():
    bases = Bases(
        paper(
            families={"mine": {"label": "Mine", "adapter_modules": ["q"], "tokenizer": {"path": "my/tokenizer"}}},
            models={"mine-1b": {"family": "mine", "billions": 1.0, "path": "my/model"}},
        )
    )
    assert bases.model(wildcards(model="mine-1b")) == "my/model"
    assert bases.tokenizer(wildcards(model="mine-1b")) == bases.tokenizer(wildcards(family="mine")) == "my/tokenizer"
    assert r"mine\-1b" not in bases.models_with("repo")
    assert bases.models_with("path") == r"mine\-1b"


def test_models_made_here_have_a_corpus_in_every_language_of_the_study(made):
    assert made.corpus == {lang: f"<results>/corpus/{lang}.txt" for lang in LANGUAGES}
    files = [f"{lang}.txt" for lang in LANGUAGES]
    assert made.corpus_options(wildcards(), wildcards(corpus=files))[-1] == "no=no.txt"
    assert (made.grammar, made.corpus_characters) == ("resources/demo/grammar.yaml", 60000)


def test_without_a_corpus_the_missing_input_names_the_key_to_set(fetched):
    assert (fetched.grammar, fetched.corpus_characters) == ("config.corpus.grammar", None)


def test_a_model_is_pretrained_with_the_seed_of_the_study(made):
    assert json.loads(made.pretraining) == {
        "steps": 400,
        "batch": 8,
        "length": 128,
        "learning_rate": 0.008,
        "seed": 42,
    }
    assert json.loads(made.architecture(wildcards(model="tiny-bloom-m"))) == {
        "model_type": "bloom",
        "hidden_size": 96,
        "n_layer": 2,
        "n_head": 4,
    }
    assert made.vocabulary(wildcards(family="tiny-open-llama")) == 1792
