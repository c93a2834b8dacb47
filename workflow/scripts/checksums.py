"""Write the SHA-256 of every file of a folder, in the form of `sha256sum`: `cd FOLDER && sha256sum --check FILE`.

Snakemake knows a folder by its date alone, and a file by its content: what is made from a folder depends on this file,
so that a folder that is made again with the same content starts nothing.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import sha256
from basics.writing import write_text

TIMESTAMP = ".snakemake_timestamp"  # Snakemake puts it into folders that it makes


def checksums(folder: Path) -> str:
    """A line a file, by path: its SHA-256 and its path below `folder`. Raises InputError when there is no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it first")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != TIMESTAMP)
    return "".join(f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path, help="text file, beside the folder")
    arguments = parser.parse_args()
    text = checksums(arguments.folder)
    write_text(arguments.output, text)
    print(f"{arguments.output}: {text.count(chr(10))} files", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
