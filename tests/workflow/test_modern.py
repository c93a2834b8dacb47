"""The architectures of presets/modern.yaml through the whole workflow: tiny models with random weights that are
pre-trained, tuned, answer and are judged as the miniature's are."""

import json

import polars as pl
import pytest
import yaml

from snake import DEMO, REPOSITORY, checkout, snakemake

pytestmark = [pytest.mark.demo, pytest.mark.long]

PRESET = yaml.safe_load((REPOSITORY / "config" / "presets" / "modern.yaml").read_text(encoding="utf-8"))
SIZE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZE |= {"num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512}
ARCHITECTURES = {
    "qwen3": {"model_type": "qwen3"},
    "gemma-3": {
        "model_type": "gemma3_text",
        "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "eurollm": {"model_type": "llama"},
    "smollm3": {"model_type": "smollm3"},
    "apertus": {"model_type": "apertus"},
}


def overlay() -> dict:
    """Differences from the miniature: one tiny model of each family, English data only, two prompts."""
    families = {name: {**PRESET["families"][name], "tokenizer": {"vocabulary": 1024}} for name in ARCHITECTURES}
    models = {
        f"tiny-{name}": {"family": name, "billions": 0.0002, "architecture": SIZE | architecture}
        for name, architecture in ARCHITECTURES.items()
    }
    return {
        "experiment": "tiny-modern",
        "languages": {"train": ["en", "es"], "seen": ["en", "es"], "unseen": []},
        "corpus": {"characters": 20_000},
        "pretrain": {"steps": 40},
        "families": families,
        "models": models,
        "select": {name: list(models) for name in ("pythia", "bloom", "seven-billion")},
        "draw": ["figure2"],
        "figures": {"figure2": {"series": ["English"]}},
        "data": {"prompts_used": 2},
        "train": {"lora": {"epochs": 1}},
        "respond": {"lora": {"max_new_tokens": 8}},
    }


def test_every_architecture_of_the_preset_goes_through_the_whole_workflow(tmp_path):
    assert ARCHITECTURES.keys() == PRESET["families"].keys()
    folder = checkout(tmp_path)
    (folder / "modern.yaml").write_text(json.dumps(overlay()), encoding="utf-8")
    done = snakemake(
        "--cores", "2", *DEMO, "modern.yaml", "--", "figure2", "results/tiny-modern/scores.parquet", directory=folder
    )
    assert done.returncode == 0, done.stdout[-4000:]
    scores = pl.read_parquet(folder / "results" / "tiny-modern" / "scores.parquet")
    assert set(scores["model"]) == {f"tiny-{name}" for name in ARCHITECTURES}
    assert scores.height == len(ARCHITECTURES) * 2 * 2 and scores["rating"].null_count() == 0
    assert (folder / "results" / "tiny-modern" / "figures" / "figure2.pdf").exists()
