"""The language identifier: a fastText model, and the label of a text.

A text may be normalised before it is identified:

    none        it is identified as it is
    clean-line  in lower case, without punctuation, symbols and digits, as OpenLID v2 and v3 cleaned their training data
                (`clean_line` in openlid_normer.py, https://github.com/hplt-project/openlid, commit 7f2850d)
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from basics.errors import InputError
from data.languages import FASTTEXT_MARK

if TYPE_CHECKING:
    import fasttext.FastText

NO_LETTER = regex.compile(r"[^\p{Word}\p{Zs}]|\d")  # \p{Word} has vowel signs such as those of Hindi, unlike \w of re


def load_model(path: Path | str) -> "fasttext.FastText._FastText":
    """Load a fastText model. Raises InputError when the file is not one."""
    import fasttext

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; fetch or train it again")
    try:
        model = fasttext.load_model(str(path))
    except (ValueError, RuntimeError, MemoryError):  # MemoryError: bogus sizes, read from another kind of file
        raise InputError(f"{path}: not a fastText model; fetch or train it again") from None
    if not is_whole(path, model):
        raise InputError(f"{path}: truncated or damaged; fetch or train it again")
    return model


def is_whole(path: Path, model: "fasttext.FastText._FastText") -> bool:
    """Whether the file ends with the model's output matrix: rows, columns, 4-byte numbers. fastText itself pads a
    truncated file with zeros, and then identifies every text as the first language."""
    try:
        rows, columns = model.get_output_matrix().shape
    except ValueError:  # quantized, so that the matrix is not available
        return True
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4 * rows * columns - 16))
        return rows > 0 and stream.read(16) == struct.pack("<qq", rows, columns)


def check_labels(
    model: "fasttext.FastText._FastText", path: Path | str, asked: dict[str, list[str]], table: Path | str
) -> None:
    """Raise InputError when a model has none of the labels that count as one of the languages in `asked`."""
    known = {label.removeprefix(FASTTEXT_MARK) for label in model.get_labels()}
    for code, labels in asked.items():
        if known.isdisjoint(labels):
            raise InputError(
                f"{path}: cannot identify {code!r}: it has none of the labels {', '.join(labels)}; "
                f"use a model that has, give the table of its labels (`labels` of the source), or correct {table}"
            )


def normalised(text: str, normalise: str) -> str:
    """A text as the identifier is to see it, on one line; empty if nothing is left."""
    line = " ".join(text.split())
    return " ".join(NO_LETTER.sub("", line.lower()).split()) if normalise == "clean-line" else line


def identify(
    texts: Sequence[str], model: "fasttext.FastText._FastText", normalise: str = "none"
) -> list[tuple[str | None, float]]:
    """The best label of each text and its probability, once the text is normalised; (None, 0.0) for an empty one."""
    texts = [normalised(text, normalise) for text in texts]
    labels, probabilities = model.predict(texts)
    return [
        (label[0].removeprefix(FASTTEXT_MARK), round(min(float(probability[0]), 1.0), 4)) if text else (None, 0.0)
        for text, label, probability in zip(texts, labels, probabilities, strict=True)
    ]
