"""The rating in a judge's reply.

What judges write, and what each reply is worth, is specified in tests/unit/replies.yaml. Every pattern is bounded, so
that the time grows with the length of a reply and no faster.
"""

import re
import unicodedata

from basics.reading import parse_json

RATINGS = (1, 2, 3)
BEST_RATING = max(RATINGS)

BRACKETS = str.maketrans("【】〔〕", "[][]")  # full-width ones are normalised
MARKUP = str.maketrans("", "", "*_`\\\"'“”„«»$")  # emphasis, code, escapes, quotation marks
END_OF_THOUGHT, THOUGHT = "</think>", "<think>"

# The template itself says: for example: "Rating: [[2]]".
EXAMPLE = re.compile(r"(?:example|format|such as|like|e\.g\.)\W{0,4}[\"'“„«]\s?rating:\s\[\[2\]\]")

WORDS = (
    "rating|score|grade|mark|final verdict|calificación|puntuación|valoración|nota|note|évaluation|оценка|рейтинг|"
    "评分|评级|分数|রেটিং|মূল্যায়ন|স্কোর|vurdering|karakter|poengsum|bewertung|hodnocení|arvosana|arvio|रेटिंग"
)
SEPARATOR = r"\s{0,3}(?:[:=\n–—-]|\b(?:is|of|es|est|ist|er)\b|是|为)\s{0,5}"
NUMBER = r"([-+]?\d{1,9}(?:[.,]\d{1,9}){0,3})"
BARE = rf"{NUMBER}(?![\w%]|[.,]\d)"
OF_THE_SCALE = r"(?:\s?(?:/|\bout of\b|\bvon\b|\bsur\b|\bde\b|\bиз\b|\bот\b)\s?\[{0,2}(\d{1,9})\]{0,2})?"
DOUBT = r"(\s?(?:-|–|/|\bto\b|\bor\b)\s?\[{0,2}\d)?"  # a range, or a choice
IN_BRACKETS = re.compile(rf"\[\[\s{{0,3}}{NUMBER}{OF_THE_SCALE}\s{{0,3}}\]\]{OF_THE_SCALE}{DOUBT}")
AFTER_A_WORD = re.compile(rf"(?:{WORDS}){SEPARATOR}(?:\[\s?{NUMBER}{OF_THE_SCALE}\s?\]|{BARE}{OF_THE_SCALE}){DOUBT}")
DENIED = "not "
ALONE = re.compile(rf"\[\s?{NUMBER}\s?\]\W{{0,3}}")  # as the template's own words have it: "[rating]"
ON_THE_SCALE = re.compile(r"\+?(\d)(?:[.,]0)?")


def parse_rating(reply: str) -> int | None:
    """The rating (1, 2 or 3) in a reply, or None if there is none or it is in doubt.

    A rating is a number in double brackets, as the template asks for, or after a word for it (`Rating: 2`); the last
    one decides. A fraction counts if it is of 3. A number off the scale is not a rating, and nothing earlier in the
    reply takes its place: the judge did decide, only on something unusable. Without any of these, [n] alone on the last
    line counts.

    What the judge thinks before it answers, the template's own example, and a number that it says is not the rating are
    passed over. A JSON object is rated by its field `rating`.
    """
    if (number := rating_in_json(reply)) is not None:
        return number if number in RATINGS else None
    text = unicodedata.normalize("NFKC", reply).casefold().rpartition(END_OF_THOUGHT)[2].translate(BRACKETS)
    if THOUGHT in text:  # and no end of it
        return None
    text = EXAMPLE.sub("", text).translate(MARKUP)
    found = [*IN_BRACKETS.finditer(text), *AFTER_A_WORD.finditer(text)]
    if meant := [match for match in found if not text.endswith(DENIED, 0, match.start())]:
        return _rating_of(max(meant, key=re.Match.start))
    alone = ALONE.fullmatch(text.strip().rpartition("\n")[2].strip())
    return _on_the_scale(alone[1]) if alone else None


def _rating_of(match: re.Match) -> int | None:
    """The rating that a pattern has found."""
    *numbers, doubt = match.groups()
    if doubt:
        return None
    number, *of = [number for number in numbers if number is not None]
    return _on_the_scale(number) if all(_on_the_scale(top) == BEST_RATING for top in of) else None


def _on_the_scale(number: str) -> int | None:
    """The value of a number, in digits of any script, if it is a rating."""
    whole = ON_THE_SCALE.fullmatch(number)
    value = unicodedata.digit(whole[1]) if whole else None
    return value if value in RATINGS else None


def rating_in_json(reply: str) -> int | None:
    """The whole number under `rating`, if the reply is a JSON object, as the reply format json asks for."""
    try:
        value = parse_json(reply)
    except ValueError:
        return None
    number = value.get("rating") if isinstance(value, dict) else None
    return number if type(number) is int else None
