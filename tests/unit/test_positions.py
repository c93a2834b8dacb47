"""A model with a table of positions takes no more tokens than the table has: one line says so, before the work."""

import json
import subprocess
import sys

import pytest

import tiny
import train
from basics.errors import InputError
from models.positions import check_positions
from models.tokenizer import Tokenizer
from pretrain import build_model
from trainings import LORA, SETTINGS, Training, make_house, settings

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
TABLES = {  # of 40 positions
    "biogpt": SMALL | {"intermediate_size": 64, "max_position_embeddings": 40},
    "ctrl": {"n_embd": 32, "dff": 64, "n_layer": 1, "n_head": 2, "n_positions": 40},
    "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 40},
    "gpt_bigcode": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 40},
    "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "max_position_embeddings": 40}
    | {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"n_embd": 32, "n_layer": 1, "n_head": 2, "rotary_dim": 8, "n_positions": 40},
    "mpt": {"d_model": 32, "n_layers": 1, "n_heads": 2, "max_seq_len": 40},
    "openai-gpt": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 40},
    "opt": SMALL | {"ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 40},
}
ENDLESS = {
    "bloom": {"hidden_size": 32, "n_layer": 1, "n_head": 2},
    "falcon": SMALL | {"max_position_embeddings": 40},
    "gpt_neox": SMALL | {"intermediate_size": 64, "max_position_embeddings": 40},
    "llama": SMALL | {"intermediate_size": 64, "max_position_embeddings": 40},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 1, "state_size": 8},
    "xglm": {"d_model": 32, "ffn_dim": 64, "num_layers": 1, "attention_heads": 2, "max_position_embeddings": 40},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return make_house(tmp_path_factory.mktemp("house"))


def made(house, folder, kind: str, fields: dict):
    model = build_model({"model_type": kind, **fields}, Tokenizer(house / "tokenizer"), 1).eval()
    model.save_pretrained(folder)
    return model


def logits(model, tokens: int):
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.full((1, tokens), 50)).logits


@pytest.mark.parametrize("kind", TABLES)
def test_tokens_are_refused_exactly_where_a_table_ends(house, tmp_path, kind):
    model = made(house, tmp_path / "model", kind, TABLES[kind])
    check_positions(tmp_path / "model", 40, "a row has", "shorten it")
    assert logits(model, 40).shape[1] == 40
    with pytest.raises((IndexError, RuntimeError)):
        logits(model, 41)
    with pytest.raises(InputError) as error:
        check_positions(tmp_path / "model", 41, "a row has", "shorten it")
    assert str(error.value) == f"{tmp_path}/model: has 40 positions, but a row has 41 tokens; shorten it"


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_model_without_a_table_may_exceed_its_positions_with_a_warning(house, tmp_path, capsys, kind):
    model = made(house, tmp_path / "model", kind, ENDLESS[kind])
    check_positions(tmp_path / "model", 60, "a row has", "shorten it")
    assert logits(model, 60).isfinite().all()
    told = capsys.readouterr().err
    named = f"warning: {tmp_path}/model: was pre-trained on 40 positions, but a row has 60 tokens\n"
    assert told == ("" if kind in ("bloom", "mamba") else named)


def test_a_training_is_refused_before_it_begins(house, tmp_path):
    made(house, tmp_path / "gpt2", "gpt2", TABLES["gpt2"])
    training = Training(house, tmp_path / "model")
    asked = training.arguments(model=tmp_path / "gpt2", adapter_modules=["c_attn"])
    with pytest.raises(InputError, match=r"has 40 positions, but the longest row has .*; lower tokenize.max_length"):
        train.train(asked, train.Settings(**settings()))
    assert not training.output.exists() and not training.checkpoints.exists()


def test_no_micro_batch_is_searched_for(house, tmp_path):
    made(house, tmp_path / "gpt2", "gpt2", TABLES["gpt2"])
    wanted = json.dumps(SETTINGS | {"micro_batch_tokens": "auto", "lora": LORA})
    options = ["--length", "41", "--memory", "1000000000", "--settings", wanted, "--output", tmp_path / "found.json"]
    command = [tiny.SCRIPTS / "train.py", "--method", "lora", "--model", tmp_path / "gpt2"]
    program = [sys.executable, tiny.SCRIPTS / "micro_batch.py", *options, "--", *command, "--adapter-modules", "c_attn"]
    run = subprocess.run(list(map(str, program)), capture_output=True, text=True)
    line = f"{tmp_path}/gpt2: has 40 positions, but rows may have 41 tokens; lower tokenize.max_length"
    assert (run.returncode, run.stderr) == (1, f"error: rehearsal with 41 tokens: {line}\n")
    assert not (tmp_path / "found.json").exists()
