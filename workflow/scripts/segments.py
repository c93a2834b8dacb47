"""What of a text is prose to be translated, and what is structure that must come through untouched.

A text is cut into pieces that join to the same text again. Structure is: fenced code blocks, line ends of every kind,
whitespace around a line, list markers and the like, lines without a letter, and lines of nothing but URLs.
Everything else is prose, at most one piece a line.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Piece(NamedTuple):
    text: str
    prose: bool


FENCE = re.compile(r"\s*(?P<fence>`{3,}(?!.*`)|~{3,})")  # CommonMark: no backtick after an opening ```
MARKER = r"""(?:
      [-*+•◦▪·–—>]          # - item, > quotation
    | \#{1,6}               # # heading
    | \[[ xX]\]             # [ ] task
    | \d{1,3}[.):]          # 1. item, 2) item
    | [A-Za-z][.)]          # a) item, B. item
    | \((?:\d{1,3}|\w)\)    # (1) item, (a) item
)"""
LINE = re.compile(rf"(?P<lead>\s*(?:{MARKER}\s+)*)(?P<body>.*?)(?P<trail>\s*)", re.VERBOSE | re.DOTALL)
URL = re.compile(r"[<(\[]?(?:https?://|www\.)\S+|[<(\[]?[\w.+-]+@[\w-]+\.[\w.-]+\S?")  # a web or mail address


def has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def only_urls(text: str) -> bool:
    return all(URL.fullmatch(word) for word in text.split())


def cut_line(line: str) -> Iterator[Piece]:
    """Cut one line, line end included, into what leads, the body, and what trails."""
    lead, body, trail = LINE.fullmatch(line).group("lead", "body", "trail")
    if not has_letter(body) or only_urls(body):
        yield Piece(line, prose=False)
        return
    yield from (Piece(lead, prose=False), Piece(body, prose=True), Piece(trail, prose=False))


def cut(text: str) -> list[Piece]:
    """Cut a text into pieces; their texts join to `text`."""
    pieces: list[Piece] = []
    fence = None  # the ticks or tildes that opened the code block we are in
    for line in text.splitlines(keepends=True):
        if fence is not None:
            pieces.append(Piece(line, prose=False))
            if re.fullmatch(rf"\s*{fence[0]}{{{len(fence)},}}\s*", line):
                fence = None
        elif opening := FENCE.match(line):
            fence = opening["fence"]
            pieces.append(Piece(line, prose=False))
        else:
            pieces.extend(cut_line(line))
    return [piece for piece in pieces if piece.text]


def prose(text: str) -> list[str]:
    """The segments of a text that want translation, in order."""
    return [piece.text for piece in cut(text) if piece.prose]


def rebuild(text: str, translations: Mapping[str, str]) -> str:
    """The text with every segment of prose replaced by its translation. Raises KeyError when one is missing."""
    return "".join(translations[piece.text] if piece.prose else piece.text for piece in cut(text))
