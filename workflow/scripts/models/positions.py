"""How many tokens a model can take: one with a table of positions ends in an IndexError beyond the table."""

import sys
from pathlib import Path

from basics.errors import InputError
from basics.reading import read_json
from models.language_models import REMEDY, tensor_shapes

LEARNED = {"wpe", "embed_positions", "position_embeddings", "positions_embed"}  # tables among the weights
COMPUTED = {"codegen", "ctrl", "gptj", "mpt"}  # model types whose tables are not, as tried with Transformers 5.23
SIZES = ("max_position_embeddings", "n_positions", "max_seq_len")  # a table's size in config.json


def check_positions(model: Path, tokens: int, what: str, remedy: str) -> None:
    """Raise InputError if `tokens` are more than the positions that the model in a folder has a table for.

    A model with other positions (rotary, ALiBi) goes on beyond the length that its config.json names, but was not
    pre-trained so far: that is a warning. `what` says which tokens these are, as in "the longest row has".
    """
    config = read_json(model / "config.json", fields=(), remedy=REMEDY)
    size = next((config[key] for key in SIZES if isinstance(config.get(key), int)), None)
    if size is None or tokens <= size:
        return
    if config.get("model_type") in COMPUTED or any(_is_table(name) for name in tensor_shapes(model)):
        raise InputError(f"{model}: has {size:,} positions, but {what} {tokens:,} tokens; {remedy}")
    print(f"warning: {model}: was pre-trained on {size:,} positions, but {what} {tokens:,} tokens", file=sys.stderr)


def _is_table(tensor: str) -> bool:
    return tensor.removesuffix(".weight").rpartition(".")[2] in LEARNED
