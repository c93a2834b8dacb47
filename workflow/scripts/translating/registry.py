"""The registry of published translation models."""

from pathlib import Path

from basics.errors import InputError
from basics.kinds import fields_fault
from basics.reading import read_json


def read_registry(path: Path) -> dict:
    """The registry of published models. Raises InputError naming the file and the key at fault."""
    registry = read_json(path, {"index": str, "models": list[dict]}, "take it from the repository again")
    kinds = {"language": str, "architecture": str, "model_sha256": str, "files": list[dict]}
    for model in registry["models"]:
        wanted = {"name": str, "size": int, "sha256": str}
        fault = fields_fault(model, kinds) or next(
            filter(None, (fields_fault(f, wanted) for f in model["files"])), None
        )
        if fault:
            raise InputError(f"{path}: a model's {fault}; take it from the repository again")
    return registry
