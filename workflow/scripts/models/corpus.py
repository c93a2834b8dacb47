"""Text for tokenizers and pre-training: one document per line."""

from pathlib import Path

from basics.errors import InputError
from basics.reading import read_text


def read_documents(paths: list[Path]) -> list[str]:
    """Read one document per line. Raises InputError for a file that is missing, not UTF-8, or without text."""
    documents = []
    for path in paths:
        lines = [line.strip() for line in read_text(path).split("\n")]
        if not any(lines):
            raise InputError(f"{path}: it has no text; give a corpus of one document per line")
        documents += [line for line in lines if line]
    return documents
