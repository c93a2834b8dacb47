"""Fetch a base model or a tokenizer from the Hugging Face hub at one revision, without pickled weights.

The commit that the revision resolved to and the SHA-256 of every file are recorded in source.json next to the files. A
file with a different hash from the one given by --sha256 is refused. A gated repository needs HF_TOKEN in the
environment.

A tokenizer that is published only as a SentencePiece model (tokenizer.model), like OpenLLaMA's, is converted to
tokenizer.json, and refused if that gives other ids than SentencePiece does; source.json then has the hash of the
conversion too (`converted`). One that is published as both is taken as it is; if the two differ, a warning says where.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import sha256
from basics.writing import beside, write_json
from models import sentencepiece_models
from models.fetching import MODEL_FILES, fetch, parse_pin, print_source
from models.tokenizer import Tokenizer

TOKENIZER_FILES = [
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "config.json",
]


def complete_tokenizer(folder: Path, place: str) -> dict[str, str]:
    """Make sure that the folder of a tokenizer can be used; return the hash of tokenizer.json, if it is made here.

    Raises InputError that begins with `place`, the repository.
    """
    definition, sentencepiece = folder / "tokenizer.json", folder / "tokenizer.model"
    published = definition.is_file()
    try:
        if sentencepiece.is_file() and not published:
            sentencepiece_models.convert(folder).save(str(definition))
        elif sentencepiece.is_file():
            warn_if_different(folder, place)
        Tokenizer(folder)
    except InputError as fault:
        raise InputError(f"{place}: {str(fault).replace(f'{folder}/', '')}") from None
    return {} if published else {definition.name: sha256(definition)}


def warn_if_different(folder: Path, place: str) -> None:
    """Print a warning if the published tokenizer.json gives other ids than the published tokenizer.model."""
    try:
        sentencepiece_models.check_folder(folder)
    except InputError as fault:
        print(f"warning: {place}: {str(fault).replace(f'{folder}/', '')}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["model", "tokenizer"], help="what to fetch of it")
    parser.add_argument("--repo", required=True, help="such as bigscience/bloom-560m")
    parser.add_argument("--revision", required=True, help="a commit, or a branch to resolve")
    parser.add_argument("--sha256", action="append", default=[], type=parse_pin, metavar="FILE=HASH", help="repeatable")
    parser.add_argument("--output", required=True, type=Path, help="folder to create")
    arguments = parser.parse_args()

    with beside(arguments.output) as folder:
        patterns = MODEL_FILES if arguments.kind == "model" else TOKENIZER_FILES
        record = fetch(arguments.repo, arguments.revision, patterns, folder, dict(arguments.sha256))
        if arguments.kind == "tokenizer" and (
            made := complete_tokenizer(folder, f"{record['repo']} at {record['revision']}")
        ):
            record["converted"] = made
        write_json(folder / "source.json", record)
    print_source(arguments.output, record)


if __name__ == "__main__":
    command_line(main)
