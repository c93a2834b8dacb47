"""What the programs that train and run language models share: a quiet, offline environment, and weights on disk.

Import it before torch: the environment variables for threads and network access are read only once by the libraries.
"""

import gc
import os
import struct
import warnings
from pathlib import Path

from basics.errors import InputError, readable
from basics.hashing import sha256
from basics.kinds import kind_fault
from basics.reading import parse_json, read_json

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads sum in another order, so the last digits differ
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"  # everything read here is a local file
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
warnings.filterwarnings("ignore", category=FutureWarning, module="torch|transformers|accelerate|peft|deepspeed")
REMEDY = "make, fetch or convert it again"
gc.set_threshold(100_000)  # imports create a million lasting objects; scanning them takes half a second


def weight_files(folder: Path, config: str = "config.json") -> list[Path]:
    """The safetensors files of a model (or, with `config` adapter_config.json, of an adapter) in `folder`.

    Raises InputError if the folder holds no model, an incomplete one, or pickled weights, which could run code.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a model")
    if not (folder / config).is_file():
        raise InputError(f"{folder}: no {config} in it, so it is not a model; give the folder of a downloaded one")
    read_json(folder / config, fields=(), remedy=REMEDY)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = next((path.name for pattern in ("*.bin", "*.pt*") for path in sorted(folder.glob(pattern))), None)
        found = f"its weights are pickled ({pickled})" if pickled else "it holds no weights"
        raise InputError(f"{folder}: {found}; only safetensors are read, convert or download them in that format")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        parts = set(read_json(index, {"weight_map": dict}, REMEDY)["weight_map"].values())
        if missing := sorted(parts - {path.name for path in files}):
            raise InputError(
                f"{folder}: {len(missing)} of {len(parts)} weights files are missing, the first is"
                f" {missing[0]}; fetch the model again"
            )
    for path in files:
        _read_header(path)
    return files


def weight_hashes(folder: Path, config: str = "config.json") -> dict[str, str]:
    """SHA-256 by file name of a model's configuration and weights."""
    return {path.name: sha256(path) for path in [folder / config, *weight_files(folder, config)]}


def tensor_shapes(folder: Path, config: str = "config.json") -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a model (or adapter, see `weight_files`), by name, from file headers.

    Raises InputError for a file that is not a complete safetensors file.
    """
    headers = [_read_header(path) for path in weight_files(folder, config)]
    return {name: tuple(tensor["shape"]) for header in headers for name, tensor in header.items()}


def layer_shapes(folder: Path, config: str = "config.json") -> dict[str, tuple[int, int]]:
    """Rows and columns of the matrices among a model's `tensor_shapes` that are in its layers.

    Names begin with the layer's number, as in 0.self_attention.query_key_value, since the prefix before it differs
    between copies of a model.
    """
    shapes = {}
    for name, shape in tensor_shapes(folder, config).items():
        *parts, last = name.split(".")
        layer = next((place for place, part in enumerate(parts) if part.isdigit()), None)
        if layer is not None and last == "weight" and len(shape) == 2:
            shapes[".".join(parts[layer:])] = shape
    return shapes


def _read_header(path: Path) -> dict:
    """The header of a safetensors file, which describes its tensors. The file is: header length, JSON, tensor bytes.

    https://github.com/huggingface/safetensors#format
    """
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > path.stat().st_size:
                raise ValueError
            header = parse_json(stream.read(length))
        header.pop("__metadata__", None)
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        whole = path.stat().st_size == 8 + length + end
        if not whole or any(kind_fault(tensor["shape"], list[int]) for tensor in header.values()):
            raise ValueError
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IsADirectoryError):
        raise InputError(f"{path}: not a safetensors file, or cut short; {REMEDY}") from None
    return header


def layer_modules(folder: Path) -> list[str]:
    """Names of the matrix modules in a model's layers, which an adapter can adapt."""
    return sorted({name.rpartition(".")[2] for name in layer_shapes(folder)})


def load_model(folder: Path, precision: str):
    """Load a causal language model in `precision`, bf16 or fp32, from local safetensors.

    Raises InputError if it is not one, or lacks weights, which Transformers would initialise at random.
    """
    import torch
    from transformers import AutoModelForCausalLM

    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    options = {"dtype": dtype, "local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    options["trust_remote_code"] = False  # if unset, Transformers asks on the terminal whether to run a model's code
    with readable(folder, "a causal language model that Transformers can load", REMEDY):
        # With output_loading_info it returns a pair, which its annotation omits.
        model, loading = AutoModelForCausalLM.from_pretrained(folder, **options)  # ty: ignore[not-iterable]
    if lacking := sorted({*loading["missing_keys"], *map(str, loading["mismatched_keys"])}):
        raise InputError(
            f"{folder}: lacks {len(lacking)} of the weights that its config.json asks for, the first is"
            f" {lacking[0]}; {REMEDY}"
        )
    return model
