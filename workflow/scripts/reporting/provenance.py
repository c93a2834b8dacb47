"""Where a figure or table comes from: the configuration, the code, the judge, the seeds, the scores.

The code's version is that of git (`git describe --always --dirty`) when the file was made. Outside a checkout it is
"unknown", but `scripts_sha256`, a hash of the programs themselves, still distinguishes versions.
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
    """SHA-256 of a file, in hexadecimal. Raises InputError if the file does not exist."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it, or correct its path") from None


def code_version() -> str:
    """The commit of the checkout that contains this file, with -dirty after local changes."""
    command = ["git", "-C", str(SCRIPTS), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def scripts_hash() -> str:
    """SHA-256 over the names and contents of all programs and modules."""
    digest = hashlib.sha256()
    for path in sorted(SCRIPTS.rglob("*.py")):
        digest.update(f"{path.relative_to(SCRIPTS)} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def judges_in(scores: "pl.DataFrame") -> list[dict]:
    """The judges in a score table, each with the models and fingerprints that answered."""
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
    """Everything that a figure was made from, in JSON types."""
    return {
        "config": {"file": str(config), "sha256": sha256_of(config)},
        "code": {"version": code_version(), "scripts_sha256": scripts_hash()},
        "judges": judges_in(scores),
        "seed": uncertainty["seed"],  # config: random_seed, for sampling, training and the bootstrap
        "bootstrap": {key: uncertainty[key] for key in ("level", "resamples")},
        "scores": {str(path): sha256_of(path) for path in files},
        "versions": {"python": sys.version.split()[0]} | {package: version(package) for package in PACKAGES},
    }


def short_provenance(known: Mapping) -> dict[str, str]:
    """The provenance, shortened for a row of a csv and an image's metadata."""
    judges = [name for judge in known["judges"] for name in (judge["name"], *judge["models"])]
    return {
        "config": known["config"]["sha256"][:12],
        "code": known["code"]["version"],
        "judge": " ".join(dict.fromkeys(judges)),
        "seed": str(known["seed"]),
    }
