"""A folder with only a SentencePiece model becomes a tokenizer with the same ids, or none."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import normalizers

import sentencepieces
import tiny
from basics.errors import InputError
from models.sentencepiece_models import HARD_TEXTS, SentencePieceModel, check_folder, check_ids, convert
from models.tokenizer import Tokenizer
from real_prompts import AUTHORS, real_prompts

KINDS = {
    "as OpenLLaMA's": {},
    "as LLaMA's": {"remove_extra_whitespaces": False},
    "nfkc": {"normalization_rule_name": "nfkc"},
    "nmt_nfkc": {"normalization_rule_name": "nmt_nfkc"},
    "no first space": {"add_dummy_prefix": False},
    "no bytes": {"byte_fallback": False, "character_coverage": 0.98},
}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return sentencepieces.make(tmp_path_factory.mktemp("tokenizer"), **KINDS[request.param])


@pytest.fixture(scope="module")
def open_llama(tmp_path_factory):
    return sentencepieces.make(tmp_path_factory.mktemp("open-llama"))


def ids(tokenizer: FastTokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def test_hard_texts_get_the_ids_of_sentencepiece(folder):
    model, tokenizer = SentencePieceModel(folder / "tokenizer.model"), convert(folder)
    for text in HARD_TEXTS:
        assert ids(tokenizer, text) == model.processor.encode(text)


@real_prompts
def test_the_authors_prompts_get_the_ids_of_sentencepiece(folder):
    model, tokenizer = SentencePieceModel(folder / "tokenizer.model"), convert(folder)
    lines = [line for path in AUTHORS.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert len(lines) > 500
    assert [line for line in lines if ids(tokenizer, line) != model.processor.encode(line)] == []


@given(st.text(st.sampled_from("abe  \n\t▁éÅ你😀1.</>s\u00a0\u0301")))
def test_any_text_gets_the_ids_of_sentencepiece(open_llama, text):
    model, tokenizer = SentencePieceModel(open_llama / "tokenizer.model"), convert(open_llama)
    tokenizer.encode_special_tokens = True
    assert ids(tokenizer, text) == model.processor.encode(text)


def test_runs_of_spaces_are_merged_where_the_model_merges_them(open_llama):
    tokenizer = convert(open_llama)
    assert ids(tokenizer, "a    b") == ids(tokenizer, "a b")
    assert tokenizer.encode("a b").ids[0] == tokenizer.token_to_id("<s>"), "the token before every text"


def test_a_conversion_without_the_models_normalizer_is_refused(open_llama):
    """Such as Transformers' own."""
    tokenizer = convert(open_llama)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    with pytest.raises(
        InputError, match=r"SentencePiece gives 'a  b .* other ids than tokenizer.json does; convert it"
    ):
        check_ids(tokenizer, open_llama / "tokenizer.model", "convert it")


def test_a_folder_whose_two_files_differ_is_refused(open_llama, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes((open_llama / "tokenizer.model").read_bytes())
    tokenizer = convert(open_llama)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    check_folder(tmp_path)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match=r"convert_tokenizer\.py"):
        check_folder(tmp_path)


REFUSED = {
    "unigram": ({"model_type": "unigram"}, {}, "it is not BPE"),
    "another class": ({}, {"tokenizer_class": "XGLMTokenizer"}, "its tokenizer_class is 'XGLMTokenizer'"),
    "a config without a first space": ({}, {"add_prefix_space": False}, "adds no first space"),
    "symbols of its own": ({"user_defined_symbols": ["<x>"]}, {}, "SentencePiece gives 'a <x> b<x>' other ids"),
    "a first token that is not named": (
        {},
        {"bos_token": None},
        "puts bos_token around a text, but has none; name it there",
    ),
    "a first token that is not in the vocabulary": (
        {},
        {"bos_token": "<start>"},
        "puts '<start>' around a text, which is not a token",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_converted_is_refused_in_one_line(tmp_path, kind):
    options, config, complaint = REFUSED[kind]
    with pytest.raises(InputError) as error:
        convert(sentencepieces.make(tmp_path, config, **options))
    assert complaint in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not one", b"\x0a\xff\xff"])
def test_a_damaged_model_is_named(open_llama, tmp_path, content):
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(InputError, match=r"tokenizer\.model: not a SentencePiece model"):
        SentencePieceModel(tmp_path / "tokenizer.model")


def program(tokenizer, output) -> subprocess.CompletedProcess:
    command = [sys.executable, tiny.SCRIPTS / "convert_tokenizer.py", "--tokenizer", tokenizer, "--output", output]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_the_program_makes_a_folder_that_can_be_used_as_path(open_llama, tmp_path):
    done = program(open_llama, tmp_path / "fast")
    assert done.returncode == 0, done.stderr
    tokenizer = Tokenizer(tmp_path / "fast")
    assert tokenizer.encode_prompt("a    b") == convert(open_llama).encode("a b").ids
    assert program(open_llama, tmp_path / "fast").stderr.startswith(f"error: {tmp_path / 'fast'}: is there already")


def test_the_program_writes_nothing_for_a_tokenizer_that_it_refuses(tmp_path):
    done = program(sentencepieces.make(tmp_path / "mine", {"eos_token": "<end>"}), tmp_path / "fast")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "eos_token is '<end>', which is not a token" in done.stderr
    assert not (tmp_path / "fast").exists()
