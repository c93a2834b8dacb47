"""A batch gives the same answers as one prompt at a time: on the authors' prompts, for every architecture."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

import tiny
from answering.generation import generate, generate_by_length, generate_in_memory, pad_left, sees_padding
from basics.errors import InputError
from data.template import Template
from models.tokenizer import Tokenizer
from pretrain import build_model
from real_prompts import AUTHORS, real_prompts

LANGUAGES = ["en", "es", "bg", "zh", "bn"]
BEAM = SimpleNamespace(beams=4, no_repeat_ngram=6, repetition_penalty=1.1, max_new_tokens=12)


def in_batches(model, prompts, settings, tokenizer, size):
    """Answers in the order of the prompts, made in batches of nearly equal length."""
    order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    answers = {}
    for start in range(0, len(order), size):
        places = order[start : start + size]
        answers |= zip(places, generate(model, [prompts[place] for place in places], settings, tokenizer), strict=True)
    return [answers[place] for place in range(len(prompts))]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A tokenizer of 4,096 tokens made from the prompts themselves."""
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import decoders, models, pre_tokenizers, trainers

    texts = [row["prompt"] for rows in prompts_by_language().values() for row in rows]
    definition = FastTokenizer(models.BPE())
    definition.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    definition.decoder = decoders.ByteLevel()
    special = ["<eos>", "<pad>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    definition.train_from_iterator(
        [*texts, *[Template(tiny.ALPACA).prompt("")] * 100],
        trainers.BpeTrainer(vocab_size=4096, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    folder = tmp_path_factory.mktemp("tokenizer")
    definition.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eos>", "pad_token": "<pad>"}))
    return Tokenizer(folder)


def prompts_by_language():
    read = {code: (AUTHORS / f"test_{code}.jsonl").read_text("utf-8").splitlines() for code in LANGUAGES}
    return {code: [json.loads(line) for line in lines] for code, lines in read.items()}


@real_prompts
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_beam_search_answers_the_authors_prompts_in_batches_as_one_by_one(tokenizer, architecture):
    model = build_model(tiny.ARCHITECTURES[architecture] | {"initializer_range": 0.3}, tokenizer, 1).eval()
    template = Template(tiny.ALPACA)
    prompts = [
        tokenizer.encode_prompt(template.prompt(row["prompt"]))
        for rows in prompts_by_language().values()
        for row in rows
    ]
    alone = [generate(model, [prompt], BEAM, tokenizer)[0] for prompt in prompts]
    assert in_batches(model, prompts, BEAM, tokenizer, 16) == alone
    assert len({tuple(tokens) for tokens, _ in alone}) > 0.9 * len(alone), "the answers are too alike to tell"


@pytest.mark.parametrize("room", [3, 1, 0])
def test_a_batch_that_the_gpu_has_no_memory_for_is_answered_in_parts(tmp_path, capfd, room):
    """The model runs out of memory, as on a GPU, with more than `room` prompts at once."""
    import torch

    tokenizer = Tokenizer(tiny.tokenizer(tmp_path / "tokenizer"))
    model = build_model(tiny.ARCHITECTURES["llama"] | {"initializer_range": 0.3}, tokenizer, 1).eval()
    prompts = [tokenizer.encode_prompt(f"Tell me of the {word}.") for word in tiny.WORDS]
    alone = [generate(model, [prompt], BEAM, tokenizer)[0] for prompt in prompts]
    whole = model.generate

    def small(input_ids, **options):
        if len(input_ids) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(input_ids=input_ids, **options)

    model.generate = small
    if room:
        assert generate_in_memory(model, prompts, BEAM, tokenizer) == alone
        assert "no memory for 16 prompts at once, halved" in capfd.readouterr().err
    else:
        with pytest.raises(InputError, match="no memory to answer a prompt of"):
            generate_in_memory(model, prompts, BEAM, tokenizer)


def test_padding_is_on_the_left_and_masked():
    ids, mask = pad_left([[7, 8, 9], [5, 6], [4]], pad=1)
    assert ids == [[7, 8, 9], [1, 5, 6], [1, 1, 4]]
    assert mask == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_padding_does_not_penalise_the_end_of_text_of_a_tokenizer_without_a_pad_token(tmp_path, architecture, beams):
    """Such as LLaMA's. A token that many answers contain is made the end of text, so that a penalty on it shows."""
    tokenizer = Tokenizer(tiny.tokenizer(tmp_path / "tokenizer"))
    model = build_model(tiny.ARCHITECTURES[architecture] | {"initializer_range": 0.3}, tokenizer, 1).eval()
    settings = SimpleNamespace(beams=beams, no_repeat_ngram=3, repetition_penalty=4.0, max_new_tokens=12)
    prompts = [
        tokenizer.encode_prompt("Tell me of the " + " ".join(tiny.WORDS[n % 7 : 7]) + "?" * n) for n in range(24)
    ]
    asked = {token for prompt in prompts for token in prompt}
    answers = [set(generate(model, [prompt], settings, tokenizer)[0][0]) - asked for prompt in prompts]
    answers_with = Counter(token for answer in answers for token in answer)
    tokenizer.eos = tokenizer.pad = min(answers_with, key=lambda token: abs(answers_with[token] - len(prompts) / 2))

    alone = [generate(model, [prompt], settings, tokenizer)[0] for prompt in prompts]
    assert in_batches(model, prompts, settings, tokenizer, 24) == alone
    assert {finished for _, finished in alone} == {True, False}, "some answers end, others are cut off"


def test_an_architecture_without_beam_search_is_named_in_one_line(tmp_path):
    tokenizer = Tokenizer(tiny.tokenizer(tmp_path / "tokenizer"))
    fields = {"model_type": "rwkv", "hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32}
    model = build_model(fields, tokenizer, 1).eval()
    with pytest.raises(InputError, match=r"beams 4: Rwkv.* beam search .*; set respond.<method>.beams to 1"):
        generate(model, [tokenizer.encode_prompt("What is it?")], BEAM, tokenizer)
    assert sees_padding(model, tokenizer.encode_prompt("What is it?"), tokenizer)


@pytest.mark.parametrize("architecture", [*tiny.ARCHITECTURES, "recurrent_gemma"])
def test_a_model_that_sees_its_padding_is_detected(tmp_path, architecture):
    tokenizer = Tokenizer(tiny.tokenizer(tmp_path / "tokenizer"))
    fields = (tiny.ARCHITECTURES | {"recurrent_gemma": tiny.RECURRENT_GEMMA})[architecture] | {"initializer_range": 0.3}
    model = build_model(fields, tokenizer, 1).eval()
    seen = sees_padding(model, tokenizer.encode_prompt("What is it?"), tokenizer)
    assert seen == (architecture == "recurrent_gemma")


def test_prompts_of_equal_length_are_answered_together_and_no_others(tmp_path):
    """With one to three tokens; padded, they would leave RecurrentGemma's convolution nothing but padding to see."""
    tokenizer = Tokenizer(tiny.tokenizer(tmp_path / "tokenizer"))
    model = build_model(tiny.RECURRENT_GEMMA | {"initializer_range": 0.3}, tokenizer, 1).eval()
    prompts = [[token, token + 1, token + 2][: 1 + token % 3] for token in range(50, 98)]
    alone = [generate(model, [prompt], BEAM, tokenizer)[0] for prompt in prompts]
    assert generate_by_length(model, prompts, BEAM, tokenizer) == alone
    assert generate(model, prompts, BEAM, tokenizer) != alone
