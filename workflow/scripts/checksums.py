"""Write the SHA-256 of every file in a folder, in the format of `sha256sum`: `cd FOLDER && sha256sum --check FILE`.

Snakemake judges a folder by its date only, but a file by its content. Jobs that read a folder depend on this file, so
that a folder that is made again with the same content does not rerun them.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import sha256
from basics.paths import TIMESTAMP
from basics.writing import write_text


def checksums(folder: Path) -> str:
    """One line per file, sorted by path: its SHA-256 and its path below `folder`. Raises InputError for no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it first")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != TIMESTAMP)
    return "".join(f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path, help="whose files are read")
    parser.add_argument("--output", required=True, type=Path, help="text file, beside the folder")
    arguments = parser.parse_args()
    text = checksums(arguments.folder)
    write_text(arguments.output, text)
    print(f"{arguments.output}: {text.count(chr(10))} files", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
