"""Use a released tuned model instead of training one: fetch it from the Hugging Face hub, or copy it from a folder.

It is checked against the base model: an adapter must adapt --adapter-modules in every layer of the base, with matrices
of matching shapes, and must change something; a full model must have the base's architecture. An adapter that names a
base other than --base-repo is accepted with a warning, since copies of a model have many names.

Its origin and the SHA-256 of every file that was taken are recorded in source.json next to the files. A file with a
different hash from the one given by --sha256 is refused; pickled weights are never accepted.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError, readable
from basics.hashing import sha256
from basics.reading import read_json
from basics.writing import beside, write_json
from models.fetching import MODEL_FILES, check_weights, fetch, parse_pin, print_source
from models.sharing import Companions
from study.released import CONFIGS

REMEDY = "fetch or convert it again"
FILES = {"lora": ["adapter_config.json", "adapter_model.safetensors"], "full": MODEL_FILES}


def copy_model(folder: Path, patterns: list[str], output: Path) -> dict:
    """Copy the files of a model on this machine; return the content of source.json: path, sha256 by file.

    Raises InputError if it has no weights, or only pickled ones.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; correct the path, or put the converted model there")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    check_weights(names, patterns, str(folder))
    output.mkdir()
    for name in names:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            shutil.copyfile(folder / name, output / name)
    return {"path": str(folder), "sha256": {path.name: sha256(path) for path in sorted(output.iterdir())}}


def check_adapter_fits(folder: Path, place: str, base: Path, modules: list[str]) -> Mapping:
    """Check an adapter against its base; return its configuration. Raises InputError, naming the adapter by `place`."""
    from safetensors.torch import load_file

    from models.language_models import layer_shapes

    config = read_json(folder / CONFIGS["lora"], fields=(), remedy=REMEDY)
    adapted, rank = config.get("target_modules"), config.get("r")
    if config.get("peft_type") != "LORA" or not isinstance(adapted, list):
        raise InputError(f"{place}: {CONFIGS['lora']} is not one of LoRA with a list of target_modules; name another")
    if sorted(adapted) != sorted(modules):
        raise InputError(
            f"{place}: adapts {', '.join(sorted(adapted))}, and the config's family {', '.join(sorted(modules))}"
            " (adapter_modules); name another, or change the family"
        )
    fitting = {}
    for layer, (rows, columns) in layer_shapes(base).items():
        if layer.rpartition(".")[2] in modules:
            fitting |= {f"{layer}.lora_A": (rank, columns), f"{layer}.lora_B": (rows, rank)}
    check_shapes(layer_shapes(folder, CONFIGS["lora"]), fitting, place, base)
    with readable(folder / "adapter_model.safetensors", "a safetensors file", REMEDY):
        weights = load_file(folder / "adapter_model.safetensors")
    changes = [tensor for name, tensor in weights.items() if "lora_B" in name]
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise InputError(f"{place}: holds numbers that are not finite; fetch or convert it again")
    if not any(tensor.any() for tensor in changes):
        raise InputError(f"{place}: every lora_B is zero, as in an adapter that was never trained; name another")
    return config


def check_model_fits(folder: Path, place: str, base: Path) -> None:
    """Check a full model against its base. Raises InputError, naming the model by `place`."""
    from models.language_models import layer_shapes

    found, wanted = (read_json(path / CONFIGS["full"], (), REMEDY).get("model_type") for path in (folder, base))
    if found != wanted:
        raise InputError(f"{place}: is a {found}, and the base in {base} a {wanted}; name a model tuned from that base")
    check_shapes(layer_shapes(folder), layer_shapes(base), place, base)


def check_shapes(found: Mapping[str, tuple], fitting: Mapping[str, tuple], place: str, base: Path) -> None:
    """Raise InputError at the first matrix that is missing, has a shape that does not fit the base, or is extra."""
    for name in sorted({*found, *fitting}):
        if found.get(name) != fitting.get(name):
            has, needs = (" x ".join(map(str, shapes.get(name, ()))) or "none" for shapes in (found, fitting))
            raise InputError(f"{place}: does not fit the base in {base}: {name} is {has}, not {needs}; name another")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=("lora", "full"), help="how it was trained")
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--repo", help="such as HPLT/sft-fpft-en-bloom-560m")
    origin.add_argument("--path", type=Path, help="folder on this machine")
    parser.add_argument("--revision", default="main", help="of --repo: a commit, or a branch to resolve")
    parser.add_argument("--sha256", action="append", default=[], type=parse_pin, metavar="FILE=HASH", help="of --repo")
    parser.add_argument("--base", required=True, type=Path, help="folder of the base model")
    parser.add_argument("--base-repo", help="repository of the base model, which an adapter should name")
    parser.add_argument("--tokenizer", type=Path, metavar="FOLDER", help="tokenizer to put beside the weights")
    parser.add_argument("--adapter-modules", nargs="*", default=[], help="modules that LoRA adapts")
    parser.add_argument("--output", required=True, type=Path, help="folder to create")
    arguments = parser.parse_args()

    companions = Companions(arguments.tokenizer)
    patterns, place = FILES[arguments.method], arguments.repo or str(arguments.path)
    with beside(arguments.output) as folder:
        if arguments.path:
            record = copy_model(arguments.path, patterns, folder)
        else:
            record = fetch(arguments.repo, arguments.revision, patterns, folder, dict(arguments.sha256))
        weights = arguments.path or folder  # errors name the file where the user has it
        if arguments.method == "full":
            check_model_fits(weights, place, arguments.base)
        else:
            config = check_adapter_fits(weights, place, arguments.base, arguments.adapter_modules)
            named = str(config.get("base_model_name_or_path"))
            if arguments.base_repo and Path(named).name != Path(arguments.base_repo).name:
                print(f"warning: {place}: names {named} as its base, not {arguments.base_repo}", file=sys.stderr)
        companions.save_tokenizer(folder)
        write_json(folder / "source.json", record)
    print_source(arguments.output, record)


if __name__ == "__main__":
    command_line(main)
