"""Identify the language of every response of one run, and say whether it is the language asked for.

The model is a fastText classifier with OpenLID's labels (Burchell et al., 2023), such as spa_Latn. Its best label is
compared with those that the language table lists for the language of the prompt. Before identification code fences
are dropped, also one that the end of the response cut short, and line breaks become spaces. Where no letter is left
(numbers and signs are of no language) there is no label, the probability is 0, and the response does not match.

Beside this match of the whole response stand those of its lines and words (language_confusion.py).

fastText comes from the package fasttext-numpy2: the original's last release, 0.9.3, calls
`np.array(..., copy=False)` in `predict`, an error under NumPy 2, and has no wheels, so that installing it takes a
C++ compiler. fasttext-numpy2 is the same code with that line mended, and wheels. Both are imported as `fasttext`.
"""

import argparse
import re
import struct
import sys
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from files import InputError, command_line, read_jsonl, write_jsonl
from language_confusion import confusion, lines_to_judge
from languages import FASTTEXT_MARK, labels_of, read_languages

if TYPE_CHECKING:
    import fasttext.FastText

CODE_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


def load_model(path: Path | str) -> "fasttext.FastText._FastText":
    """Load a fastText model. Raises InputError when it is none."""
    import fasttext

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; fetch or train it again")
    try:
        model = fasttext.load_model(str(path))
    except (ValueError, RuntimeError, MemoryError):  # MemoryError: sizes read from a file of another kind
        raise InputError(f"{path}: not a fastText model; fetch or train it again") from None
    if not is_whole(path, model):
        raise InputError(f"{path}: cut short, or damaged; fetch or train it again")
    return model


def is_whole(path: Path, model: "fasttext.FastText._FastText") -> bool:
    """Whether the file ends with the model's output matrix: rows, columns, numbers of 4 bytes. fastText itself fills up
    a file that was cut short with zeros, and takes every text for the first language."""
    try:
        rows, columns = model.get_output_matrix().shape
    except ValueError:  # a quantized one, which cannot be had
        return True
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4 * rows * columns - 16))
        return rows > 0 and stream.read(16) == struct.pack("<qq", rows, columns)


def check_labels(
    model: "fasttext.FastText._FastText", path: Path | str, asked: dict[str, list[str]], table: Path | str
) -> None:
    """Raise InputError when a model has none of the labels that count as a language it is asked about."""
    known = {label.removeprefix(FASTTEXT_MARK) for label in model.get_labels()}
    for code, labels in asked.items():
        if known.isdisjoint(labels):
            raise InputError(
                f"{path}: cannot tell {code!r}, it has none of the labels {', '.join(labels)}; "
                f"take a model that has, or mend {table}"
            )


def without_code(response: str) -> str:
    """A response without its code fences."""
    return CODE_FENCE.sub(" ", response)


def prose(response: str) -> str:
    """The text to identify: without code fences, on one line; empty where no letter is left."""
    text = " ".join(without_code(response).split())
    return text if any(map(str.isalpha, text)) else ""


def identify(texts: Sequence[str], model: "fasttext.FastText._FastText") -> list[tuple[str | None, float]]:
    """The best label of each text and its probability; (None, 0.0) for an empty one."""
    labels, probabilities = model.predict(list(texts))
    return [
        (label[0].removeprefix(FASTTEXT_MARK), round(min(float(probability[0]), 1.0), 4)) if text else (None, 0.0)
        for text, label, probability in zip(texts, labels, probabilities, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, help="JSON lines: lang, id, response")
    parser.add_argument("--model", required=True, help="fastText model, such as OpenLID's")
    parser.add_argument("--languages", required=True, help="YAML: code -> name, labels")
    parser.add_argument(
        "--output",
        required=True,
        help="JSON lines: lang, id, label, probability, match, lines, lines_match, words_match",
    )
    arguments = parser.parse_args()

    rows = read_jsonl(arguments.responses, fields={"lang": str, "id": str, "response": str}, empty="responses")
    languages = read_languages(arguments.languages)
    asked = {row["lang"]: labels_of(row["lang"], languages, arguments.languages) for row in rows}
    model = load_model(arguments.model)
    check_labels(model, arguments.model, asked, arguments.languages)

    lines = [lines_to_judge(without_code(row["response"])) for row in rows]
    found = iter(identify([*(prose(row["response"]) for row in rows), *chain.from_iterable(lines)], model))
    output = [
        {
            "lang": row["lang"],
            "id": row["id"],
            "label": label,
            "probability": probability,
            "match": label in asked[row["lang"]],
        }
        for row, (label, probability) in zip(rows, islice(found, len(rows)), strict=True)
    ]
    for row, judged in zip(output, lines, strict=True):
        row |= confusion(judged, list(islice(found, len(judged))), asked[row["lang"]])
    write_jsonl(arguments.output, output)
    matches = sum(row["match"] for row in output)
    print(f"langid: {matches} of {len(output)} responses are in the language asked for", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
