"""The root of the repository, for programs that read files from it, and what paths of results say."""

from pathlib import Path, PurePath

REPOSITORY = Path(__file__).resolve().parents[3]
TIMESTAMP = ".snakemake_timestamp"  # in a folder that a rule makes; Snakemake uses its date for the folder


def run_of(path: PurePath | str) -> str:
    """METHOD/MODEL/RECIPE, from the path of a run's file."""
    return "/".join(PurePath(path).with_suffix("").parts[-3:])
