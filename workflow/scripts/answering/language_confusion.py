"""Language confusion of a response (Marchisio et al., 2024, "Understanding and Mitigating Language Confusion in LLMs").

The two measures of https://github.com/for-ai/language-confusion (compute_metrics.py), for one response:

    line level   every line is in the language asked for. Lines of fewer than MIN_WORDS words are left out; a label
                 whose probability is not above MIN_PROBABILITY is no label. Without a line to judge: null.
    word level   no word of these lines is in another language, as far as script tells: asked of responses that pass
                 on lines, in languages of another script than Latin. Else null.

The pass rates are the means of what is not null: LPR over lines_match, WPR over words_match.

Where we differ from their code:

- A word of another language is a lower-case one of MIN_LETTERS or more Latin letters: as theirs, but of any language.
  Theirs must be in the word list of a Unix system, for English, which we do not ship. So a name in code or a French
  word fails here and may not there. Inline code, addresses, file names and words joined by signs are no words; in
  theirs they mostly are in no list.
- Chinese and Japanese are counted by characters, HAN_PER_WORD to a word, not segmented; theirs segments them where they
  are asked for, and so leaves out a line of Chinese in an answer that should be English.
- A number or a sign is no word: a row of numbers has no language.
- Lines are identified with their punctuation, as the whole response is.
- Code fences are dropped before (langid.py); a "Q:" that follows the answer is not, it is not in our templates.
"""

import re
from collections.abc import Sequence

MIN_WORDS = 5
MIN_PROBABILITY = 0.3
MIN_LETTERS = 4
HAN_PER_WORD = 1.5  # characters; a segmenter makes words of one and of two

HAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")  # and kana
INLINE_CODE = re.compile("`[^`]*`")
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
# A run of Latin letters that is not part of an address, a name in a file system or in code, or a joined word.
LATIN_WORD = re.compile(
    rf"(?<![{LATIN}0-9_@/\\:.'’-])[{LATIN}]{{{MIN_LETTERS},}}(?![{LATIN}0-9_@/\\(]|[.:'’-][{LATIN}0-9/])"
)

Label = tuple[str | None, float]  # the best label and its probability


def words(line: str) -> float:
    """How many words a line has, for Chinese about."""
    spaced = [word for word in HAN.sub(" ", line).split() if any(map(str.isalpha, word))]
    return len(spaced) + len(HAN.findall(line)) / HAN_PER_WORD


def lines_to_judge(text: str) -> list[str]:
    """The lines of a text without code that are long enough to have a language."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if words(line) >= MIN_WORDS]


def in_latin_script(labels: Sequence[str]) -> bool:
    """Whether a language with these labels, such as nob_Latn, may be written in Latin script."""
    return any(label.endswith("_Latn") for label in labels)


def foreign_words(line: str) -> list[str]:
    """The lower-case words in Latin letters of a line in another script."""
    return [word for word in LATIN_WORD.findall(INLINE_CODE.sub(" ", line)) if word.islower()]


def confusion(lines: Sequence[str], found: Sequence[Label], asked: Sequence[str]) -> dict[str, int | bool | None]:
    """Judge a response by its lines, what was found of each, and the labels that count as the language asked for."""
    lines_match = words_match = None
    if lines:
        lines_match = all(label in asked and probability > MIN_PROBABILITY for label, probability in found)
    if lines_match and not in_latin_script(asked):
        words_match = not any(map(foreign_words, lines))
    return {"lines": len(lines), "lines_match": lines_match, "words_match": words_match}
