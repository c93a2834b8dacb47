"""Causal language models that are real in everything but their weights, which are random: for measuring training."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

from basics.writing import beside  # noqa: E402
from models import language_models  # noqa: E402, F401  (first, it settles threads and network)

END, PADDING = 0, 1


def pythia(width: int, layers: int, heads: int, words: int) -> dict:
    return {
        "model_type": "gpt_neox",
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 2048,
    }


def bloom(width: int, layers: int, heads: int, words: int) -> dict:
    return {"model_type": "bloom", "vocab_size": words, "hidden_size": width, "n_layer": layers, "n_head": heads}


def llama(width: int, layers: int, heads: int, words: int) -> dict:
    return {
        "model_type": "llama",
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": width * 8 // 3 // 64 * 64,
        "max_position_embeddings": 2048,
    }


SMALL_WORDS = 16_384
SMALL = (192, 4, 6, SMALL_WORDS)
WIDE = {"initializer_range": 0.1}  # weights large enough for the loss to depend on the context of a token
SHAPES = {
    # Four layers, small enough for a step on one core in seconds: 5 to 8 million parameters.
    "small-pythia": pythia(*SMALL) | WIDE,
    "small-bloom": bloom(*SMALL) | WIDE,
    "small-llama": llama(*SMALL) | WIDE,
    # As published (config.json of EleutherAI/pythia-* and bigscience/bloom-*).
    "pythia-1.4b": pythia(2048, 24, 16, 50_304),
    "pythia-6.9b": pythia(4096, 32, 32, 50_432),
    "bloom-1b7": bloom(2048, 24, 16, 250_880),
    "bloom-7b1": bloom(4096, 30, 32, 250_880),
    # For trying out benchmarks that are meant for the published shapes.
    "tiny-pythia": pythia(64, 2, 4, 1024),
    "tiny-bloom": bloom(64, 2, 4, 1024),
}


def build_model(shape: dict, precision: str, device: str = "cpu", seed: int = 1):
    """A model with random weights, created on its device. `precision` is fp32 or bf16."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = dict(shape)
    config = AutoConfig.for_model(
        fields.pop("model_type"), **fields, bos_token_id=END, eos_token_id=END, pad_token_id=PADDING
    )
    torch.manual_seed(seed)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(
            config, dtype={"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
        )


def write_model(folder: Path, shape: dict) -> None:
    """Write a model folder that language_models.load_model can read."""
    with beside(folder) as written:
        build_model(shape, "fp32").save_pretrained(written)
