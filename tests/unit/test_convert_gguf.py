"""A real GGUF file becomes a model and a tokenizer that match it."""

import hashlib
import json
import struct
import subprocess
import sys

import pytest

from basics.paths import REPOSITORY
from models.tokenizer import Tokenizer
from real_parts import SMOLLM2, SMOLLM2_SHA256, real_parts

SCRIPT = REPOSITORY / "workflow" / "scripts" / "convert_gguf.py"


def convert(kind, folder, file=SMOLLM2, sha256=SMOLLM2_SHA256):
    """Run the program. Returns its output folder, or its error."""
    command = [sys.executable, SCRIPT, kind, "--input", file, "--sha256", sha256, "--output", folder / kind]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return done.stderr if done.returncode else folder / kind


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return convert("model", tmp_path_factory.mktemp("gguf"))


@real_parts
def test_the_weights_are_those_of_the_file(model):
    import torch
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors import safe_open

    tensors = {tensor.name: tensor for tensor in GGUFReader(SMOLLM2).tensors}
    with safe_open(model / "model.safetensors", "pt") as weights:
        names = {"token_embd": "embed_tokens", "blk.7.ffn_gate": "layers.7.mlp.gate_proj", "output_norm": "norm"}
        for theirs, ours in names.items():
            tensor = tensors[f"{theirs}.weight"]
            wanted = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type))
            assert torch.equal(weights.get_tensor(f"model.{ours}.weight"), wanted), theirs


@real_parts
def test_the_model_knows_a_capital(model):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        answer = AutoModelForCausalLM.from_pretrained(model).generate(**prompt, max_new_tokens=1, do_sample=False)
    assert tokenizer.decode(answer[0, -1]) == " Paris"


@real_parts
def test_the_tokenizer_splits_numbers_before_spaces_as_in_pre_training(model):
    # GPT-2's pre-tokenizer alone would attach one of the two line breaks to the number.
    tokenizer = Tokenizer(model)
    ids = tokenizer.encode_prompt("so:\n\n12 eggs")
    assert [tokenizer.decode([id]) for id in ids] == ["so", ":", "\n\n", "1", "2", " eggs"]


@real_parts
def test_the_source_is_recorded(model):
    record = json.loads((model / "source.json").read_text())
    assert record == {"path": SMOLLM2.name, "sha256": {SMOLLM2.name: SMOLLM2_SHA256}}


def test_a_file_that_is_not_the_pinned_one_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF and more")
    (tmp_path / "b.gguf").write_bytes(b"<html>")
    for name, fault in {
        "a.gguf": "expected 0000",
        "b.gguf": "b.gguf: not a GGUF file; download",
        "c.gguf": "c.gguf: no such file",
    }.items():
        error = convert("model", tmp_path, tmp_path / name, "0" * 64)
        assert error.startswith("error: ") and error.count("\n") == 1 and fault in error
        assert not (tmp_path / "model").exists()


def test_a_damaged_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF and more")
    error = convert("tokenizer", tmp_path, tmp_path / "a.gguf", hashlib.sha256(b"GGUF and more").hexdigest())
    assert error.startswith("error: ") and error.count("\n") == 1 and "a.gguf: not a GGUF file that" in error


@real_parts
def test_an_unknown_pre_tokenizer_is_refused_in_one_line(tmp_path):
    name = b"tokenizer.ggml.pre" + struct.pack("<IQ", 8, 6)  # a string of six bytes follows
    content = SMOLLM2.read_bytes()
    assert content.count(name + b"smollm") == 1
    other = tmp_path / "other.gguf"
    other.write_bytes(content.replace(name + b"smollm", name + b"falcon"))
    error = convert("tokenizer", tmp_path, other, hashlib.sha256(other.read_bytes()).hexdigest())
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "its pre-tokenizer (tokenizer.ggml.pre) is 'falcon', which cannot be converted; use the tokenizer" in error
