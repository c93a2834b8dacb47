"""Answers: the same in batches as alone, kept in the journal, cut and counted."""

import json
import sys
from pathlib import Path

import pytest

import respond
import tiny
from answering.generation import generate
from basics.errors import InputError
from basics.reading import read_json, read_jsonl
from data.template import Template
from models.tokenizer import Tokenizer
from models.tuned import load_tuned

SETTINGS = {
    "beams": 4,
    "no_repeat_ngram": 6,
    "repetition_penalty": 1.1,
    "max_new_tokens": 10,
    "cut_at": "\n### ",
    "special_tokens": "drop",
    "batch": 16,
    "precision": "fp32",
}
PROMPTS = {
    "en": [f"Tell me of the {word}." for word in tiny.WORDS],
    "zh": ["什么是灯？", "什么是船？", "河在哪里？", "Tell me of the red."],
}


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A folder with a tokenizer, a model of each family, prompts in two languages, and an adapter for BLOOM."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("house")
    tokenizer = tiny.tokenizer(folder / "tokenizer")
    tiny.template(folder)
    for family in tiny.ARCHITECTURES:
        tiny.model(folder / family, family, tokenizer)
    for language, prompts in PROMPTS.items():
        rows = [{"id": f"q{number}", "prompt": prompt} for number, prompt in enumerate(prompts)]
        (folder / f"{language}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = respond.language_models.load_model(folder / "bloom", "fp32")
    config = LoraConfig(r=2, target_modules=["query_key_value"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(folder / "adapter")
    return folder


def run(house: Path, output: Path, monkeypatch, method="full", base="bloom", model=None, journal=None, **changed):
    """Answer the prompts and return the rows."""
    options = {
        "--method": method,
        "--base": house / base,
        "--model": house / (model or base),
        "--tokenizer": house / "tokenizer",
        "--template": house / "template.json",
        "--settings": json.dumps(SETTINGS | changed),
        "--journal": journal or output.with_suffix(".journal"),
        "--output": output,
        "--metadata": output.with_suffix(".json"),
    }
    prompts = [f"{language}={house / language}.jsonl" for language in PROMPTS]
    flat = [str(part) for option in options.items() for part in option]
    monkeypatch.setattr(sys, "argv", ["respond.py", *flat, "--prompts", *prompts])
    respond.main()
    return read_jsonl(output)


@pytest.mark.parametrize("family", tiny.ARCHITECTURES)
def test_a_batch_gives_the_same_answers_as_one_prompt_at_a_time(house, tmp_path, monkeypatch, family):
    together = run(house, tmp_path / "together.jsonl", monkeypatch, base=family)
    alone = run(house, tmp_path / "alone.jsonl", monkeypatch, base=family, batch=1)
    assert together == alone
    assert len({row["response"] for row in alone}) > len(alone) / 2, "the answers are too alike to tell"


def test_a_batch_has_prompts_of_nearly_equal_length_the_longest_first():
    prompts = [[1] * length for length in (3, 5, 3, 3, 7, 5)]
    assert list(respond.batch_by_length(prompts, 2)) == [[4, 1], [5, 0], [2, 3]]


def test_rows_come_in_the_order_of_the_prompts(house, tmp_path, monkeypatch):
    rows = run(house, tmp_path / "responses.jsonl", monkeypatch)
    asked = [(lang, f"q{number}", text) for lang, texts in PROMPTS.items() for number, text in enumerate(texts)]
    assert [(row["lang"], row["id"], row["prompt"]) for row in rows] == asked
    assert list(rows[0]) == ["lang", "id", "prompt", "response", "tokens", "finish"]


def test_a_resumed_job_forms_the_batches_of_an_uninterrupted_one(house, tmp_path, monkeypatch):
    """So that bf16 answers, which may depend on their batch, are those of the uninterrupted job."""
    formed = []
    asked = respond.generation.generate
    monkeypatch.setattr(
        respond.generation, "generate", lambda model, batch, *rest: formed.append(batch) or asked(model, batch, *rest)
    )
    run(house, tmp_path / "whole.jsonl", monkeypatch, batch=4)
    lines = (tmp_path / "whole.journal").read_bytes().splitlines(keepends=True)
    whole, formed[:] = list(formed), []
    (tmp_path / "torn.journal").write_bytes(b"".join(lines[:6]))
    run(house, tmp_path / "torn.jsonl", monkeypatch, batch=4)
    assert formed == whole[1:]


def test_the_metadata_say_how_the_answers_were_made(house, tmp_path, monkeypatch):
    from transformers import __version__

    rows = run(house, tmp_path / "responses.jsonl", monkeypatch)
    said = read_json(tmp_path / "responses.json")
    engine = f"transformers {__version__}"
    assert said["decoding"] == f"{engine}, beam 4, no repeated 6-gram, repetition penalty 1.1, at most 10 tokens, fp32"
    assert said["responses"] == len(rows) == sum(said["finish"].values())
    assert said["tokens"] == sum(row["tokens"] for row in rows)
    assert set(said["weights"][0]) == {"config.json", "model.safetensors"}
    assert said["repeatable"].startswith("to the byte")

    run(house, tmp_path / "fast.jsonl", monkeypatch, beams=1, no_repeat_ngram=0, repetition_penalty=1, precision="bf16")
    said = read_json(tmp_path / "fast.json")
    assert said["decoding"] == f"{engine}, greedy, at most 10 tokens, bf16"
    assert said["repeatable"].startswith("nearly")


def test_an_answer_ends_at_the_end_of_text_or_at_the_limit(house, tmp_path):
    """The first token that the model would generate is made its end of text: the answer is empty."""
    tokenizer = Tokenizer(house / "tokenizer")
    prompt = tokenizer.encode_prompt(Template(house / "template.json").prompt("Hello"))
    model = load_tuned("full", house / "bloom", house / "bloom", "fp32")
    greedy = respond.Settings(**SETTINGS | {"beams": 1, "max_new_tokens": 3})
    import torch

    ((tokens, finished),) = generate(model, [prompt], greedy, tokenizer)
    assert (len(tokens), finished) == (3, False)
    with torch.inference_mode():
        tokenizer.eos = model(torch.tensor([prompt])).logits[0, -1].argmax().item()
    assert generate(model, [prompt], greedy, tokenizer) == [([], True)]


def test_special_tokens_are_dropped_or_kept_as_text(house):
    tokenizer = Tokenizer(house / "tokenizer")
    ids = [tokenizer.pad, *tokenizer.encode_prompt("lamp"), tokenizer.eos]
    assert (tokenizer.decode(ids), tokenizer.decode(ids, "keep")) == ("lamp", "<pad>lamp<eos>")

    for choice, response in (("drop", "lamp"), ("keep", "<pad>lamp<eos>")):
        row = respond.answer_row(ids[:-1], True, respond.Settings(**SETTINGS | {"special_tokens": choice}), tokenizer)
        assert row == {"response": response, "tokens": 5, "finish": "stop"}


def test_an_answer_is_cut_where_the_settings_say(house, tmp_path, monkeypatch):
    whole = run(house, tmp_path / "whole.jsonl", monkeypatch)
    letter = next(row["response"][3] for row in whole if row["response"][3:].strip())
    cut = run(house, tmp_path / "cut.jsonl", monkeypatch, cut_at=letter)
    assert [row["response"] for row in cut] == [row["response"].split(letter)[0].strip() for row in whole]
    assert cut != whole


def test_the_adapter_is_in_use(house, tmp_path, monkeypatch):
    adapted = run(house, tmp_path / "adapted.jsonl", monkeypatch, method="lora", model="adapter")
    base = run(house, tmp_path / "base.jsonl", monkeypatch)
    assert [row["response"] for row in adapted] != [row["response"] for row in base]


def test_an_interrupted_job_answers_nothing_twice(house, tmp_path, monkeypatch):
    whole = run(house, tmp_path / "whole.jsonl", monkeypatch)
    journal = tmp_path / "journal.jsonl"
    lines = (tmp_path / "whole.journal").read_bytes().splitlines(keepends=True)
    assert len(lines) == len({text for texts in PROMPTS.values() for text in texts})  # one is asked twice
    kept = json.loads(lines[0])
    kept["value"]["response"] = "as it was"
    journal.write_bytes(json.dumps(kept).encode() + b"\n" + b"".join(lines[1:8]) + lines[8][:20])
    again = run(house, tmp_path / "again.jsonl", monkeypatch, journal=journal)
    assert sum(row["response"] == "as it was" for row in again) == 1
    assert [new for new, old in zip(again, whole, strict=True) if new != old and new["response"] != "as it was"] == []
    keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(lines)


def test_with_all_answers_in_the_journal_no_model_is_loaded(house, tmp_path, monkeypatch):
    first = run(house, tmp_path / "first.jsonl", monkeypatch)
    monkeypatch.delattr(respond.generation, "load_tuned")
    again = run(house, tmp_path / "again.jsonl", monkeypatch, journal=tmp_path / "first.journal", batch=2)
    assert again == first


def test_other_settings_or_weights_need_new_answers(house, tmp_path, monkeypatch):
    journal = tmp_path / "journal"
    asked = len({text for texts in PROMPTS.values() for text in texts})
    for number, changed in enumerate(
        [{}, {"max_new_tokens": 4}, {"cut_at": "e"}, {"special_tokens": "keep"}, {"base": "llama"}], start=1
    ):
        run(house, tmp_path / "responses.jsonl", monkeypatch, journal=journal, **changed)
        assert len(journal.read_text().splitlines()) == number * asked


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"beams": 0}, "beams is 0; it must be at least 1"),
        ({"precision": "fp16"}, "precision is 'fp16'"),
        ({"cut_at": ""}, "cut_at is empty; give the text"),
        ({"special_tokens": "keeps"}, "special_tokens is 'keeps', which is not drop or keep"),
        ({"serve": "vllm serve"}, "beams 4 is not for a model that is served; write 1, or leave out serve"),
        (
            {"serve": "vllm", "beams": 1, "no_repeat_ngram": 3},
            "no_repeat_ngram 3 is not for a model that is served; write 0",
        ),
        ({"serve": "vllm 'serve"}, 'serve "vllm \'serve" is not a valid command'),
        ({"serve": "vllm", "beams": 1, "no_repeat_ngram": 0, "method": "lora"}, "merge the adapter"),
        ({"temperature": 1}, "the key 'temperature' is unknown"),
        ({"base": "tokenizer"}, "no config.json in it"),
        ({"method": "lora", "model": "bloom"}, "no adapter_config.json in it"),
    ],
)
def test_bad_input_is_named_in_one_line(house, tmp_path, monkeypatch, changed, complaint):
    with pytest.raises(InputError) as error:
        run(house, tmp_path / "responses.jsonl", monkeypatch, **changed)
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_a_prompt_and_an_answer_that_need_too_many_positions_are_refused_in_one_line(house, tmp_path, monkeypatch):
    tiny.model(tmp_path / "gpt2", "bloom", house / "tokenizer", model_type="gpt2", n_positions=64)
    template = Template(house / "template.json")
    prompts = [template.prompt(prompt) for prompts in PROMPTS.values() for prompt in prompts]
    longest = max(len(Tokenizer(house / "tokenizer").encode_prompt(prompt)) for prompt in prompts)
    room = 64 - longest + 1  # the last token of an answer is not read
    rows = run(house, tmp_path / "fits.jsonl", monkeypatch, base=tmp_path / "gpt2", max_new_tokens=room)
    assert max(row["tokens"] for row in rows) == room
    with pytest.raises(InputError) as error:
        run(house, tmp_path / "not.jsonl", monkeypatch, base=tmp_path / "gpt2", max_new_tokens=room + 1)
    assert str(error.value) == (
        f"{tmp_path}/gpt2: has 64 positions, but the longest prompt and max_new_tokens take 65 tokens;"
        " lower max_new_tokens"
    )
    assert not (tmp_path / "not.jsonl").exists() and not (tmp_path / "not.journal").exists()


def test_the_name_of_a_special_token_in_a_prompt_is_text(house):
    tokenizer = Tokenizer(house / "tokenizer")
    ids = tokenizer.encode_prompt("What is <eos>?")
    assert tokenizer.eos not in ids and tokenizer.decode(ids) == "What is <eos>?"
