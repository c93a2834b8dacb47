"""Architectures that need only configuration: training, answering and merging do what simpler code does."""

import gc
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import tiny
import train
from answering.generation import loaded_model
from basics.reading import read_json, read_yaml
from models.tokenizer import Tokenizer
from models.tuned import load_tuned
from padded_loop import padded_loop
from pretrain import build_model
from trainings import Training, make_house, settings

TABLE = read_yaml(Path(__file__).with_name("architectures.yaml"))
METHODS = ("lora", "full")
STEPS = {"epochs": 1, "warmup": 1, "learning_rate": 1e-3}
DECODING = SimpleNamespace(beams=3, no_repeat_ngram=3, repetition_penalty=1.1, max_new_tokens=6, precision="fp32")
PROMPTS = [f"Tell me of the {' '.join(tiny.WORDS[n % 7 : 7])}{'?' * n}" for n in range(16)]
LIKE_LLAMA = {"intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = make_house(tmp_path_factory.mktemp("house"))
    gc.freeze()  # trainings collect garbage, and would scan every imported object each time
    for name, entry in TABLE.items():
        like = LIKE_LLAMA if entry.get("like") else {}
        fields = {"model_type": name, "hidden_size": 32, "initializer_range": 0.3, **like, **entry.get("config", {})}
        build_model(fields, Tokenizer(folder / "tokenizer"), 1).save_pretrained(folder / name)
    yield folder
    gc.unfreeze()


@pytest.fixture(scope="module")
def tuned(house):
    """A function that trains a model once and returns its output folder."""

    @cache
    def tune(method: str, name: str) -> Path:
        training = Training(house, house / "tuned" / method / name, method, name)
        modules = TABLE[name]["modules"] if method == "lora" else []
        assert train.train(training.arguments(adapter_modules=modules), train.Settings(**wanted(method))) == 0
        return training.output

    return tune


def wanted(method: str) -> dict:
    return settings(method, **STEPS, loss_on="all" if method == "lora" else "response")


def answers(method: str, base: Path, folder: Path, tokenizer: Tokenizer, batch: int) -> list:
    """The answers to PROMPTS, `batch` at a time."""
    prompts = [tokenizer.encode_prompt(prompt) for prompt in PROMPTS]
    with loaded_model(method, base, folder, SimpleNamespace(**vars(DECODING), batch=batch), tokenizer) as answer:
        batches = [answer(prompts[start : start + batch]) for start in range(0, len(prompts), batch)]
    return [row for some in batches for row in some]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TABLE)
def test_a_training_takes_the_steps_of_the_padded_loop_and_its_output_can_be_loaded(house, tuned, name, method):
    record = read_json(tuned(method, name) / "training.json")
    modules = TABLE[name]["modules"] if method == "lora" else []
    losses = [loss for _, loss in record["losses"]["train"]]
    assert losses == pytest.approx(padded_loop(house, name, modules, wanted(method)), abs=1e-5)
    assert record["reloaded"]["validation_loss"] == pytest.approx(record["best"]["validation_loss"], rel=1e-5)


@pytest.mark.parametrize("name", TABLE)
def test_a_batch_gives_the_same_answers_as_one_prompt_at_a_time(house, tuned, name):
    tokenizer = Tokenizer(house / "tokenizer")
    alone = answers("lora", house / name, tuned("lora", name), tokenizer, batch=1)
    assert answers("lora", house / name, tuned("lora", name), tokenizer, batch=16) == alone
    assert len({tuple(tokens) for tokens, _ in alone}) > 3, "the answers are too alike to tell"


@pytest.mark.parametrize("name", TABLE)
def test_merged_weights_answer_as_the_adapter_does(house, tuned, name, tmp_path):
    tokenizer = Tokenizer(house / "tokenizer")
    merged = load_tuned("lora", house / name, tuned("lora", name), "fp32").merge_and_unload(safe_merge=True)
    merged.save_pretrained(tmp_path)
    adapter = answers("lora", house / name, tuned("lora", name), tokenizer, batch=16)
    assert answers("full", house / name, tmp_path, tokenizer, batch=16) == adapter


def test_the_page_lists_the_tested_architectures_and_those_of_the_modern_preset():
    page = (tiny.REPOSITORY / "docs" / "bring-your-own.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+) \| (.*?) \| ✓ \| ✓ \| ✓(?: \*)? \| ✓ \|$", page, flags=re.MULTILINE))
    assert list(rows) == sorted(TABLE.keys() | tiny.ARCHITECTURES.keys())
    preset = read_yaml(tiny.REPOSITORY / "config" / "presets" / "modern.yaml")
    assert [family["label"] for family in preset["families"].values() if family["label"] not in str(rows)] == []
