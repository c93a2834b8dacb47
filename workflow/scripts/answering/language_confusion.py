"""Language confusion of a response, by the rules of the Language Confusion Benchmark (Marchisio et al., 2024,
"Understanding and Mitigating Language Confusion in LLMs"; compute_metrics.py of
https://github.com/for-ai/language-confusion, commit 0cfdbb4):

    line level   whether every line is in the requested language. Lines of fewer than MIN_WORDS words are ignored; a
                 label whose probability is not above MIN_PROBABILITY counts as none. Null if no line can be judged.
    word level   whether no word of these lines is English: in lower case, in a list, and with at least MIN_LETTERS
                 letters. Only for responses that pass at line level, in languages of a script other than Latin, and if
                 there is a list; otherwise null.

The pass rates are means over the values that are not null: LPR of lines_match, WPR of words_match. With the benchmark's
identifier and list they equal its own on the responses that it published, except in Arabic and Japanese
(docs/benchmarks.md).

What follows from its rules: punctuation is removed before anything else, but only ASCII's and two more characters;
numbers and code are words like any other; where words are not separated by spaces, they are segmented only in the
language asked for, so that a line of Chinese in an answer that should be English is one word, and ignored.
"""

import string
from collections.abc import Collection, Sequence
from pathlib import Path

from basics.errors import InputError
from basics.reading import read_text

MIN_WORDS = 5
MIN_PROBABILITY = 0.3
MIN_LETTERS = 4

ENDS = "\nQ:"  # where a base model goes on with a question of its own
PUNCTUATION = str.maketrans("—", " ", string.punctuation + "،")

# Japanese words, of which two characters are one: a segmenter as theirs, MeCab, needs a dictionary of 250 MB.
JAPANESE = (
    r"(?V1)[\p{Han}\p{Hiragana}\p{Katakana}ー]{1,2}|[[\p{L}\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}ー]]+|\p{N}+|[^\w\s]"
)

Label = tuple[str | None, float]  # the best label and its probability


def scripts_of(labels: Sequence[str]) -> set[str]:
    """The scripts of a language with these labels of OpenLID, such as nob_Latn."""
    return {label.rpartition("_")[2] for label in labels}


def words_of(line: str, scripts: Collection[str]) -> list[str]:
    """The words of a line in a language of these scripts: Chinese as jieba segments it, others as spaces do."""
    if "Hans" in scripts or "Hant" in scripts:
        import rjieba  # jieba's algorithm and dictionary

        return rjieba.cut(line)
    if "Jpan" in scripts:
        import regex  # here, since the Snakefile imports this module, and may run where there is only Snakemake

        return regex.findall(JAPANESE, line)
    return line.split()


def lines_to_judge(response: str, scripts: Collection[str]) -> list[str]:
    """The lines of a response, without punctuation, that are long enough for their language to be identified."""
    text = response.split(ENDS)[0].strip().translate(PUNCTUATION)
    return [line for line in text.split("\n") if len(words_of(line, scripts)) >= MIN_WORDS]


def read_english_words(path: Path | str) -> frozenset[str]:
    """The words of a list, one a line, that count as English. Raises InputError if there are none."""
    words = map(str.strip, read_text(path).splitlines())
    if not (english := frozenset(word for word in words if word.islower() and len(word) >= MIN_LETTERS)):
        raise InputError(f"{path}: no lower-case word of {MIN_LETTERS} letters; give a list of words, one a line")
    return english


def confusion(
    lines: Sequence[str],
    found: Sequence[Label],
    asked: Sequence[str],
    scripts: Collection[str],
    english: frozenset[str] | None,
) -> dict[str, int | bool | None]:
    """Judge a response by its lines, the label `found` for each, the labels and scripts of the language `asked` for,
    and a list of English words."""
    lines_match = words_match = None
    if lines:
        lines_match = all(label in asked and probability > MIN_PROBABILITY for label, probability in found)
    if lines_match and "Latn" not in scripts and english is not None:
        words_match = english.isdisjoint(word.strip() for line in lines for word in words_of(line, scripts))
    return {"lines": len(lines), "lines_match": lines_match, "words_match": words_match}
