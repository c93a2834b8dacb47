"""Identify the language of every response of one run, and whether it is the language asked for.

The model is a fastText classifier such as OpenLID (Burchell et al., 2023). The predicted label is compared with those
that count as the language of the prompt: those in --labels or, without it, OpenLID's in the language table.

The whole response is identified, as in the paper, with its line breaks as spaces. If it has no letter (numbers and
symbols have no language), there is no label, the probability is 0, and the response does not match. --normalise says
what else is done to a text (data/identifier.py). By default nothing is, and so an answer in capitals is often taken for
another language: fastText's lid.176 recognises 526 of 549 prompts, but only 295 when they are in capitals.

--code says what happens to fenced code:

    keep    it is identified with the rest, so that a response of nothing but code may match (the default)
    drop    it is removed first, so that such a response has no label and does not match

A fence is one of Markdown's: three or more backticks, anywhere, or three or more tildes at the beginning of a line. It
ends with as many of the same, or with the response. Indented code is never removed, because lists and poems are
indented too. `code_decides` tells whether the match would be another one with the other treatment.

Besides this match of the whole response, the output has those of its lines and words (language_confusion.py), with or
without code likewise. Words are judged by a list of English ones, such as the benchmark's or /usr/share/dict/words.

fastText comes from the package fasttext-community, which is maintained and has wheels, and is imported as `fasttext`
like the original. The last release of that, 0.9.3, fails under NumPy 2 and needs a C++ compiler.
"""

import argparse
import re
import sys
from itertools import chain
from typing import Any

from answering.language_confusion import confusion, lines_to_judge, read_english_words, scripts_of
from basics.command_line import command_line
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from data.identifier import check_labels, identify, load_model
from data.languages import NORMALISATIONS, labels_for, labels_of, read_label_table, read_languages

FENCED = re.compile(
    r"(?P<ticks>`{3,}).*?(?:(?P=ticks)`*|\Z)|^ {0,3}(?P<tildes>~{3,}).*?(?:^ {0,3}(?P=tildes)~*[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
OTHER = {"keep": "drop", "drop": "keep"}


def without_code(response: str) -> str:
    """A response without its fenced code."""
    return FENCED.sub(" ", response)


def to_identify(response: str, code: str) -> str:
    """A response with or without its fenced code."""
    return response if code == "keep" else without_code(response)


def text_to_identify(response: str, code: str = "keep") -> str:
    """The text to identify, on one line, with or without fenced code; empty if it has no letter."""
    text = " ".join(to_identify(response, code).split())
    return text if any(map(str.isalpha, text)) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, help="JSON lines: lang, id, response")
    parser.add_argument("--model", required=True, help="fastText model, such as OpenLID's")
    parser.add_argument("--languages", required=True, help="YAML: code -> name, labels")
    parser.add_argument("--labels", help="YAML: normalise, and labels: code -> labels (default: those of --languages)")
    parser.add_argument("--normalise", choices=NORMALISATIONS, default="none", help="of texts, before identification")
    parser.add_argument("--code", choices=OTHER, default="keep", help="in the response that is identified")
    parser.add_argument("--english-words", help="list, one a line (default: words are not judged)")
    parser.add_argument(
        "--output",
        required=True,
        help="JSON lines: lang, id, label, probability, match, code_decides, lines, lines_match, words_match",
    )
    arguments = parser.parse_args()

    rows = read_jsonl(arguments.responses, fields={"lang": str, "id": str, "response": str}, empty="responses")
    languages, table = read_languages(arguments.languages), arguments.labels
    openlid = {row["lang"]: labels_of(row["lang"], languages, arguments.languages) for row in rows}
    asked = labels_for(openlid, read_label_table(table), table) if table else openlid
    model = load_model(arguments.model)
    check_labels(model, arguments.model, asked, table or arguments.languages)
    english = read_english_words(arguments.english_words) if arguments.english_words else None
    scripts = {lang: scripts_of(labels) for lang, labels in openlid.items()}

    wholes, others = (
        [text_to_identify(row["response"], code) for row in rows] for code in (arguments.code, OTHER[arguments.code])
    )
    lines = [lines_to_judge(to_identify(row["response"], arguments.code), scripts[row["lang"]]) for row in rows]
    texts = list(dict.fromkeys(chain(wholes, others, *lines)))
    found = dict(zip(texts, identify(texts, model, arguments.normalise), strict=True))
    output: list[dict[str, Any]] = []
    for row, whole, other, judged in zip(rows, wholes, others, lines, strict=True):
        (label, probability), labels = found[whole], asked[row["lang"]]
        output.append(
            {
                "lang": row["lang"],
                "id": row["id"],
                "label": label,
                "probability": probability,
                "match": label in labels,
                "code_decides": (label in labels) != (found[other][0] in labels),
            }
            | confusion(judged, [found[line] for line in judged], labels, scripts[row["lang"]], english)
        )
    write_jsonl(arguments.output, output)
    matches, decided = (sum(row[name] for row in output) for name in ("match", "code_decides"))
    print(f"langid: {matches} of {len(output)} responses are in the language asked for", file=sys.stderr)
    if decided:
        print(f"langid: {decided} would count otherwise with --code {OTHER[arguments.code]}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
