"""Language confusion of a response (Marchisio et al., 2024, "Understanding and Mitigating Language Confusion in LLMs").

The two measures of https://github.com/for-ai/language-confusion (compute_metrics.py), for one response:

    line level   whether every line is in the requested language. Lines of fewer than MIN_WORDS words are ignored; a
                 label whose probability is not above MIN_PROBABILITY counts as none. Null if no line can be judged.
    word level   whether no word of these lines is in another language, as far as the script shows. Only for responses
                 that pass at line level, in languages of a script other than Latin; otherwise null.

The pass rates are means over the values that are not null: LPR of lines_match, WPR of words_match.

Differences from their code:

- A word of another language is a lower-case word of at least MIN_LETTERS Latin letters, as in theirs, but of any
  language. Theirs must be in a Unix system's list of English words, which we do not ship. So an identifier or a French
  word fails here, but may pass there. Inline code, URLs, file names and words joined by punctuation do not count as
  words; in theirs most of them are in no list.
- Chinese and Japanese words are estimated from characters, HAN_PER_WORD to a word, not segmented; theirs segments them
  only where they are the requested language, and so ignores a line of Chinese in an answer that should be English.
- Numbers and symbols are not words: a row of numbers has no language.
- Lines are identified with their punctuation, like the whole response.
- Fenced code is removed beforehand (langid.py); a "Q:" after the answer is not, as our templates have none.
"""

import re
from collections.abc import Sequence

MIN_WORDS = 5
MIN_PROBABILITY = 0.3
MIN_LETTERS = 4
HAN_PER_WORD = 1.5  # characters; a segmenter gives words of one and two characters

HAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")  # and kana
INLINE_CODE = re.compile("`[^`]*`")
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
# A run of Latin letters that is not part of a URL, a file name, an identifier, or a compound joined by punctuation.
LATIN_WORD = re.compile(
    rf"(?<![{LATIN}0-9_@/\\:.'’-])[{LATIN}]{{{MIN_LETTERS},}}(?![{LATIN}0-9_@/\\(]|[.:'’-][{LATIN}0-9/])"
)

Label = tuple[str | None, float]  # the best label and its probability


def word_count(line: str) -> float:
    """Number of words in a line; an estimate for Chinese and Japanese."""
    spaced = [word for word in HAN.sub(" ", line).split() if any(map(str.isalpha, word))]
    return len(spaced) + len(HAN.findall(line)) / HAN_PER_WORD


def lines_to_judge(text: str) -> list[str]:
    """The lines of a text (without code) that are long enough for their language to be identified."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if word_count(line) >= MIN_WORDS]


def in_latin_script(labels: Sequence[str]) -> bool:
    """Whether a language with these labels of OpenLID, such as nob_Latn, may be written in Latin script."""
    return any(label.endswith("_Latn") for label in labels)


def foreign_words(line: str) -> list[str]:
    """The lower-case words in Latin letters in a line of another script."""
    return [word for word in LATIN_WORD.findall(INLINE_CODE.sub(" ", line)) if word.islower()]


def confusion(
    lines: Sequence[str], found: Sequence[Label], asked: Sequence[str], in_latin: bool
) -> dict[str, int | bool | None]:
    """Judge a response by its lines, the label `found` for each, the labels of the language `asked` for, and whether
    that may be written in Latin script."""
    lines_match = words_match = None
    if lines:
        lines_match = all(label in asked and probability > MIN_PROBABILITY for label, probability in found)
    if lines_match and not in_latin:
        words_match = not any(map(foreign_words, lines))
    return {"lines": len(lines), "lines_match": lines_match, "words_match": words_match}
