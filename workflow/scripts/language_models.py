"""What the programs that train and run language models share: a quiet, offline setting, and weights on disk.

Import it before torch: threads and network are settled by variables that the libraries read once.
"""

import gc
import json
import os
import struct
import warnings
from pathlib import Path

from files import InputError, sha256

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads add up in another order, hence other last digits
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"  # everything read here is a local file
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
warnings.filterwarnings("ignore", category=FutureWarning, module="torch|transformers|accelerate|peft|deepspeed")
gc.set_threshold(100_000)  # importing them makes a million objects to keep: looking through those takes half a second


def weight_files(folder: Path, config: str = "config.json") -> list[Path]:
    """The safetensors files of a model (or, with `config` adapter_config.json, of an adapter) in `folder`.

    Raises InputError when the folder holds no model, or holds pickled weights, which could run code when read.
    """
    if not (folder / config).is_file():
        raise InputError(f"{folder}: no {config} in it, so it is no model; give the folder of a downloaded one")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = next((path.name for pattern in ("*.bin", "*.pt*") for path in sorted(folder.glob(pattern))), None)
        found = f"its weights are pickled ({pickled})" if pickled else "it holds no weights"
        raise InputError(f"{folder}: {found}; only safetensors are read, convert or download them in that format")
    return files


def weight_hashes(folder: Path, config: str = "config.json") -> dict[str, str]:
    """SHA-256 by file name of a model's configuration and weights."""
    return {path.name: sha256(path) for path in [folder / config, *weight_files(folder, config)]}


def layer_modules(folder: Path) -> list[str]:
    """Names of the matrix modules in a model's layers, which an adapter can be put on, read from the file headers."""
    names = set()
    for path in weight_files(folder):
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        for name, tensor in header.items():
            parts = name.split(".")
            if any(part.isdigit() for part in parts) and parts[-1] == "weight" and len(tensor["shape"]) == 2:
                names.add(parts[-2])
    return sorted(names)


def load_model(folder: Path, precision: str):
    """Load a causal language model in `precision`, bf16 or fp32, from local safetensors."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
