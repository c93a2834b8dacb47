"""Where the repository is, for files that programs read from it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
