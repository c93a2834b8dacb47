"""Identify the language of every response of one run, and whether it is the language asked for.

The model is a fastText classifier with OpenLID's labels (Burchell et al., 2023), such as spa_Latn. The predicted label
is compared with those that the language table lists for the language of the prompt. Before identification, code fences
are removed, including one that is still open at the end of the response, and line breaks become spaces. If no letter is
left (numbers and symbols have no language), there is no label, the probability is 0, and the response does not match.

Besides this match of the whole response, the output has those of its lines and words (language_confusion.py).

fastText comes from the package fasttext-numpy2: the last release of the original, 0.9.3, calls
`np.array(..., copy=False)` in `predict`, an error under NumPy 2, and has no wheels, so that installing it requires a
C++ compiler. fasttext-numpy2 is the same code with that line fixed, and wheels. Both are imported as `fasttext`.
"""

import argparse
import re
import sys
from itertools import chain, islice
from typing import Any

from answering.language_confusion import confusion, lines_to_judge
from basics.command_line import command_line
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from data.identifier import check_labels, identify, load_model
from data.languages import labels_of, read_languages

CODE_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


def without_code(response: str) -> str:
    """A response without its code fences."""
    return CODE_FENCE.sub(" ", response)


def text_to_identify(response: str) -> str:
    """The text to identify: without code fences, on one line; empty if no letter is left."""
    text = " ".join(without_code(response).split())
    return text if any(map(str.isalpha, text)) else ""


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
    found = iter(identify([*(text_to_identify(row["response"]) for row in rows), *chain.from_iterable(lines)], model))
    output: list[dict[str, Any]] = [
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
