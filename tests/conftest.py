"""The scripts are programs, not a package: their folder goes on the path as it does when one is run."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "workflow" / "scripts"))

import language_models  # noqa: E402, F401  settles the number of threads, before any test imports torch
