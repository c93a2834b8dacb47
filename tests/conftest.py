"""The scripts are programs, not a package: their folder goes on the path as it does when one is run. So does the
folder of what the tests share."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / folder) for folder in ("workflow/scripts", "tests/unit", "tests/workflow")]

import language_models  # noqa: E402, F401  settles the number of threads, before any test imports torch
