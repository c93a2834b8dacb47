"""Convert a base model or its tokenizer from GGUF, the format of llama.cpp, to safetensors or tokenizer.json.

Quantized weights are converted back to fp32: the model is the quantized one, with the same values, not the original.
Transformers reads the file; what it leaves out is added here: the pre-tokenizer that the file names, such as that of
SmolLM, which splits numbers into digits (llama.cpp, src/llama-vocab.cpp). A file that names one that is not known here
is refused, since a text would silently get other tokens than in pre-training.

The file's SHA-256 must be the one given, and is recorded in source.json.
"""

import argparse
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.errors import InputError, readable
from basics.hashing import sha256
from basics.writing import beside, write_json
from models import language_models
from models.fetching import print_source

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import PreTokenizer

PRE_TOKENIZER = "tokenizer.ggml.pre"  # field of a GGUF file


def pre_tokenizer(name: str) -> "PreTokenizer | None":
    """The pre-tokenizer that llama.cpp knows by this name; None if it is not known here."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    gpt2 = ByteLevel(add_prefix_space=False)
    return {"gpt-2": gpt2, "smollm": Sequence([Digits(individual_digits=True), gpt2])}.get(name)


def save_tokenizer(file: Path, folder: Path) -> None:
    """Write the tokenizer of a GGUF file to `folder`. Raises InputError for a pre-tokenizer that is not known."""
    from gguf import GGUFReader
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    field = GGUFReader(file).get_field(PRE_TOKENIZER)
    name = field.contents() if field else None
    wanted = pre_tokenizer(name) if isinstance(name, str) else None
    if wanted is None:
        raise InputError(
            f"{file}: its pre-tokenizer ({PRE_TOKENIZER}) is {name!r}, which cannot be converted; use the tokenizer of"
            " the original model (config: families.*.tokenizer.repo)"
        )
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)  # the only kind that is made from GGUF
    tokenizer.backend_tokenizer.pre_tokenizer = wanted
    tokenizer.save_pretrained(folder)


def convert_tokenizer(file: Path, folder: Path) -> None:
    """Write the tokenizer of a GGUF file to `folder`, with the configuration of its model, which engines look for."""
    from transformers import AutoConfig

    save_tokenizer(file, folder)
    AutoConfig.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True).save_pretrained(folder)


def convert_model(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file to `folder`, in fp32, with its tokenizer, so that the folder can be served."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True
    )
    # Transformers does not save a model that it has read from GGUF, so its weights are moved to a plain one.
    config = copy.deepcopy(loaded.config)
    del config.quantization_config
    config.name_or_path = ""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    model.save_pretrained(folder)
    save_tokenizer(file, folder)


CONVERT = {"model": convert_model, "tokenizer": convert_tokenizer}


def source_record(file: Path, wanted: str) -> Mapping:
    """What source.json says. Raises InputError if the file is missing, not GGUF, or another one than expected."""
    if not file.is_file():
        raise InputError(f"{file}: no such file; put it there")
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise InputError(f"{file}: not a GGUF file; download it again")
    if (found := sha256(file)) != wanted:
        raise InputError(f"{file}: sha256 is {found}, expected {wanted}; another version was pinned")
    return {"path": file.name, "sha256": {file.name: found}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=CONVERT, help="what to make of it")
    parser.add_argument("--input", required=True, type=Path, help="GGUF file")
    parser.add_argument("--sha256", required=True, help="its hash")
    parser.add_argument("--output", required=True, type=Path, help="folder to create")
    arguments = parser.parse_args()

    record = source_record(arguments.input, arguments.sha256)
    with beside(arguments.output) as folder:
        with readable(arguments.input, "a GGUF file that Transformers can convert", language_models.REMEDY):
            CONVERT[arguments.kind](arguments.input, folder)
        write_json(folder / "source.json", record)
    print_source(arguments.output, record)


if __name__ == "__main__":
    command_line(main)
