"""Tokenizers that consist of a SentencePiece model only, like that of OpenLLaMA, trained on a few lines."""

import io
import json
from pathlib import Path

import sentencepiece

from models.sentencepiece_models import HARD_TEXTS

LINES = [line for text in HARD_TEXTS for line in text.split("\n") if line.strip()] * 3
CONFIG = {
    "tokenizer_class": "LlamaTokenizer",
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": {"__type": "AddedToken", "content": "<s>"},
    "eos_token": {"__type": "AddedToken", "content": "</s>"},
    "unk_token": {"__type": "AddedToken", "content": "<unk>"},
    "pad_token": None,
}


def make(folder: Path, config: dict | None = None, **options) -> Path:
    """A folder with tokenizer.model, trained with the given options, and tokenizer_config.json. By default, runs of
    spaces are merged and unknown characters are split into bytes, as in OpenLLaMA's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    options = {"model_type": "bpe", "normalization_rule_name": "identity", "byte_fallback": True} | options
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=written,
        vocab_size=600,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    (folder / "tokenizer_config.json").write_text(json.dumps(CONFIG | (config or {})))
    return folder
