"""Where a figure or table comes from: the configuration, the code, the judge, the seeds, the scores.

The code's version is git's (`git describe --always --dirty`), as it was when the file was made; outside of a checkout
it is "unknown", and `scripts_sha256`, a hash of the programs themselves, still tells two versions apart.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from basics.errors import InputError
from basics.paths import REPOSITORY

if TYPE_CHECKING:
    import polars as pl


SCRIPTS = REPOSITORY / "workflow" / "scripts"
PACKAGES = ("matplotlib", "numpy", "polars", "seaborn")


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file, in hexadecimal. Raises InputError when there is none."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it, or mend its path") from None


def code_version() -> str:
    """The commit of the checkout that this file is part of, with -dirty where it was changed."""
    command = ["git", "-C", str(SCRIPTS), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def scripts_hash() -> str:
    """SHA-256 over the names and contents of the programs."""
    digest = hashlib.sha256()
    for path in sorted(SCRIPTS.rglob("*.py")):
        digest.update(f"{path.relative_to(SCRIPTS)} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def judges_in(scores: "pl.DataFrame") -> list[dict]:
    """The judges of a score table, each with the models and fingerprints that answered."""
    return [
        {
            "name": table["judge"][0],
            "models": sorted(table["judge_model"].drop_nulls().unique().to_list()),
            "fingerprints": sorted(table["fingerprint"].drop_nulls().unique().to_list()),
        }
        for table in scores.partition_by("judge", maintain_order=True)
    ]


def provenance(
    config: Path | str, scores: "pl.DataFrame", files: Iterable[Path | str], uncertainty: Mapping[str, float]
) -> dict:
    """Everything that a figure's file leads back to, as JSON can hold it."""
    return {
        "config": {"file": str(config), "sha256": sha256_of(config)},
        "code": {"version": code_version(), "scripts_sha256": scripts_hash()},
        "judges": judges_in(scores),
        "seed": uncertainty["seed"],  # config: random_seed, of sampling, training and of the draws of prompts
        "bootstrap": {key: uncertainty[key] for key in ("level", "resamples")},
        "scores": {str(path): sha256_of(path) for path in files},
        "versions": {"python": sys.version.split()[0]} | {package: version(package) for package in PACKAGES},
    }


def in_short(known: Mapping) -> dict[str, str]:
    """What fits into a row of a csv and a line of a picture's metadata."""
    judges = [name for judge in known["judges"] for name in (judge["name"], *judge["models"])]
    return {
        "config": known["config"]["sha256"][:12],
        "code": known["code"]["version"],
        "judge": " ".join(dict.fromkeys(judges)),
        "seed": str(known["seed"]),
    }
