"""Small models, tokenizers and recipes, for the tests that train and answer."""

import json
from pathlib import Path

import polars as pl

from models.tokenizer import Tokenizer
from pretrain import build_model

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
ALPACA = REPOSITORY / "resources" / "templates" / "alpaca.json"

ARCHITECTURES = {
    "gpt_neox": {
        "model_type": "gpt_neox",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "bloom": {"model_type": "bloom", "hidden_size": 32, "n_layer": 2, "n_head": 2},
    "llama": {
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
}
RECURRENT_GEMMA = {  # reads the padding of a batch, and caps its logits
    "model_type": "recurrent_gemma",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "lru_width": 32,
}
MODULES = {
    "gpt_neox": ["query_key_value"],
    "bloom": ["query_key_value"],
    "llama": ["q_proj", "k_proj", "v_proj"],
}
ADJECTIVES = ["red", "blue", "old", "new", "small", "large", "warm", "cold"]
WORDS = [*ADJECTIVES, "house", "river", "bread", "song", "lamp", "train", "moon", "tree"]


def template(folder: Path) -> Path:
    """A short template: in a long one, a byte of the text would be a hundredth of the prompt."""
    path = folder / "template.json"
    path.write_text(
        json.dumps({"prompt_input": "Q: {instruction}\nI: {input}\nA:\n", "prompt_no_input": "Q: {instruction}\nA:\n"})
    )
    return path


def tokenizer(folder: Path, bos: bool = False) -> Path:
    """A byte-level tokenizer without merges; with `bos`, one that puts <s> before every text, like LLaMA's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    special = ["<eos>", "<pad>", "<s>"]
    vocabulary = {token: number for number, token in enumerate(special + sorted(pre_tokenizers.ByteLevel.alphabet()))}
    definition = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    definition.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    definition.decoder = decoders.ByteLevel()
    definition.add_special_tokens(special)
    if bos:
        definition.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    folder.mkdir(parents=True)
    definition.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eos>", "pad_token": "<pad>"}))
    return folder


def model(folder: Path, family: str, tokenizer_folder: Path, seed: int = 1, **changed) -> Path:
    """A model with random weights, large enough that its answers vary."""
    architecture = ARCHITECTURES[family] | {"initializer_range": 0.3} | changed
    build_model(architecture, Tokenizer(tokenizer_folder), seed).save_pretrained(folder)
    return folder


def recipe(folder: Path, train: int = 22, validation: int = 5, words: int = 1) -> Path:
    """A recipe of short rows of different lengths; `words` multiplies the length of the answers."""
    folder.mkdir(parents=True)
    rows = [
        {
            "id": number,
            "lang": ("en", "es")[number % 2],
            "instruction": " ".join(WORDS[: 1 + number * 5 % 7]),
            "input": WORDS[number % 16] if number % 3 == 0 else "",
            "output": " ".join(WORDS[number % 16 : number % 16 + 1 + number % 4] * words),
        }
        for number in range(train + validation)
    ]
    pl.DataFrame(rows[:train]).write_parquet(folder / "train.parquet")
    pl.DataFrame(rows[train:]).write_parquet(folder / "validation.parquet")
    return folder
