"""Fetch a base model or a tokenizer from the Hugging Face hub at one revision, without pickled weights.

The commit that the revision resolved to and the SHA-256 of every file are recorded in source.json next to the files. A
file with a different hash from the one given by --sha256 is refused. A gated repository needs HF_TOKEN in the
environment.
"""

import argparse
from pathlib import Path

from basics.command_line import command_line
from basics.writing import beside, write_json
from models.fetching import MODEL_FILES, fetch, parse_pin, print_source

TOKENIZER_FILES = [
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "config.json",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["model", "tokenizer"])
    parser.add_argument("--repo", required=True, help="such as bigscience/bloom-560m")
    parser.add_argument("--revision", required=True, help="a commit, or a branch to resolve")
    parser.add_argument("--sha256", action="append", default=[], type=parse_pin, metavar="FILE=HASH", help="repeatable")
    parser.add_argument("--output", required=True, type=Path, help="folder to create")
    arguments = parser.parse_args()

    with beside(arguments.output) as folder:
        patterns = MODEL_FILES if arguments.kind == "model" else TOKENIZER_FILES
        record = fetch(arguments.repo, arguments.revision, patterns, folder, dict(arguments.sha256))
        write_json(folder / "source.json", record)
    print_source(arguments.output, record)


if __name__ == "__main__":
    command_line(main)
