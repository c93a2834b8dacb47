"""A merged model is the base model with its adapter merged in, as plain weights."""

import subprocess
import sys

import pytest
import torch

import tiny
from models.tokenizer import Tokenizer
from models.tuned import load_tuned

PROMPT = "Tell me of the red lamp."


@pytest.fixture(scope="module", params=tiny.ARCHITECTURES)
def house(request, tmp_path_factory):
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("house")
    tiny.model(folder / "base", request.param, tiny.tokenizer(folder / "tokenizer"))
    modules = tiny.MODULES[request.param]
    config = LoraConfig(r=2, target_modules=modules, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_tuned("full", folder, folder / "base", "fp32"), config).save_pretrained(folder / "adapter")
    return folder


def merge(house, output, adapter="adapter", precision="fp32"):
    options = ["--base", house / "base", "--adapter", house / adapter, "--precision", precision, "--output", output]
    command = [sys.executable, tiny.SCRIPTS / "merge_adapter.py", *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def logits(model, house):
    with torch.inference_mode():
        return model(torch.tensor([Tokenizer(house / "tokenizer").encode_prompt(PROMPT)])).logits


def test_the_merged_model_is_the_base_with_its_adapter(house, tmp_path):
    done = merge(house, tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    apart = logits(load_tuned("lora", house / "base", house / "adapter", "fp32"), house)
    merged = logits(load_tuned("full", house / "base", tmp_path / "merged", "fp32"), house)
    base = logits(load_tuned("full", house / "base", house / "base", "fp32"), house)
    torch.testing.assert_close(merged, apart, rtol=1e-4, atol=1e-3)
    assert (merged - base).abs().max() > 0.1
    assert not list((tmp_path / "merged").glob("*.bin"))


def test_weights_are_stored_as_asked(house, tmp_path):
    assert merge(house, tmp_path / "merged", precision="bf16").returncode == 0
    from safetensors.torch import load_file

    assert {tensor.dtype for tensor in load_file(tmp_path / "merged" / "model.safetensors").values()} == {
        torch.bfloat16
    }


def test_an_adapter_without_tokenizer_and_record_gives_nothing_but_weights(house, tmp_path):
    """As with a released adapter; test_sharing.py has one that was trained here."""
    assert merge(house, tmp_path / "merged").returncode == 0
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert names <= {"config.json", "generation_config.json", "model.safetensors"}


def test_a_folder_that_is_not_an_adapter_is_refused_in_one_line(house, tmp_path):
    done = merge(house, tmp_path / "merged", adapter="base")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no adapter_config.json in it" in done.stderr
