"""Train a small fastText language identifier with OpenLID's labels, for the miniature.

Each corpus file holds one language, with one document per line; in a `.jsonl` file, it is the field `text`. The model
is trained on whole documents and on short pieces of them, since an answer may be a single word. Each language has the
first label that the language table lists, so that langid.py can use the model like OpenLID. With one thread and a fixed
seed, the same corpus gives the same bytes. (fasttext-community initialises all weights. The original leaves nine tenths
of them as the memory happens to be when there is one thread, and may end with "Encountered NaN".)
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from basics.command_line import command_line, files_by_language, language_file
from basics.errors import InputError
from basics.reading import read_jsonl, read_text
from basics.writing import beside
from data.languages import FASTTEXT_MARK, labels_of, read_languages

SEED = 42
PIECE_WORDS = 3
PIECE_CHARACTERS = 8  # for a word longer than twice that: Chinese has no spaces


def read_documents(path: Path) -> list[str]:
    """The documents of one language, each on one line. Raises InputError if there are none."""
    if path.suffix == ".jsonl":
        texts = [row["text"] for row in read_jsonl(path, fields={"text": str})]
    else:
        texts = read_text(path).split("\n")
    documents = [line for line in (" ".join(text.split()) for text in texts) if line]
    if not documents:
        raise InputError(f"{path}: holds no text; give one document per line")
    return documents


def pieces(document: str) -> Iterator[str]:
    """Cut a document into pieces of a few words, and very long words into pieces of a few characters."""
    words = document.split()
    for start in range(0, len(words), PIECE_WORDS):
        yield " ".join(words[start : start + PIECE_WORDS])
    for word in words:
        if len(word) > 2 * PIECE_CHARACTERS:
            for start in range(0, len(word), PIECE_CHARACTERS):
                yield word[start : start + PIECE_CHARACTERS]


def training_lines(documents: list[str], label: str) -> Iterator[str]:
    """Lines in fastText's training format: every document, and every distinct piece once."""
    distinct = dict.fromkeys(piece for document in documents for piece in pieces(document))
    for text in (*documents, *distinct):
        yield f"{FASTTEXT_MARK}{label} {text}\n"


def has_same_weights(model, written) -> bool:
    """Whether a model read back has the same weights: fastText does not report an incomplete write."""
    return all(
        (part(model) == part(written)).all()
        for part in (lambda each: each.get_input_matrix(), lambda each: each.get_output_matrix())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus", required=True, nargs="+", type=language_file, metavar="CODE=FILE", help="its text, by language"
    )
    parser.add_argument("--languages", required=True, help="YAML: code -> name, labels")
    parser.add_argument("--output", required=True, help="fastText model")
    arguments = parser.parse_args()

    corpus = files_by_language(arguments.corpus, "--corpus")
    languages = read_languages(arguments.languages)
    labels = {code: labels_of(code, languages, arguments.languages)[0] for code in corpus}
    if len(labels) < 2:
        raise InputError("--corpus: there is only one language to identify; give two or more")
    lines = [line for code, path in corpus.items() for line in training_lines(read_documents(path), labels[code])]
    random.Random(SEED).shuffle(lines)  # fastText trains in order, which would favour the last language

    import fasttext

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as training:
        training.writelines(lines)
        training.flush()
        model = fasttext.train_supervised(
            input=training.name,
            epoch=5,
            lr=0.5,
            dim=16,
            minn=1,
            maxn=3,
            bucket=20_000,
            thread=1,  # more threads would update the weights in a random order
            seed=SEED,
            verbose=0,
        )
    with beside(arguments.output) as written:
        model.save_model(str(written))
        if not has_same_weights(model, fasttext.load_model(str(written))):
            raise InputError(f"{arguments.output}: could not be written completely; free disk space and run again")
    print(f"langid model: {len(labels)} languages, {len(lines)} examples", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
