"""The root of the repository, for programs that read files from it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
TIMESTAMP = ".snakemake_timestamp"  # in a folder that a rule makes; Snakemake uses its date for the folder
