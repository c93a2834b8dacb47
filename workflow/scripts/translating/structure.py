"""Which parts of a text are prose to be translated, and which are structure that must come through unchanged.

A text is cut into pieces whose concatenation is the same text. Structure is: code blocks (fenced, indented, bare), line
endings of every kind, whitespace, list markers and the like, the pipes of tables, and whatever has no word of Latin
letters. Everything else is prose, at most one piece per line or table cell. Inside prose, `kept_texts` finds the spans
that must appear in the translation exactly as in the source: numbers, inline code, URLs, and the like.

No grammar describes what people and language models write, so code is distinguished from prose line by line: a line
that does not look like any prose is code (STRONG), and one that could be either (WEAK) is code if it is next to code.
In case of doubt, a line is prose: prose left in English makes a row of the wrong language, whereas code that went
through the engine still keeps its numbers and its lines.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed import SupportsGetItem


class Piece(NamedTuple):
    text: str
    prose: bool


def _any_of(*alternatives: str) -> re.Pattern:
    return re.compile("|".join(f"(?:{alternative})" for alternative in alternatives))


# ---- code, by line; the patterns are matched against a line without the whitespace around it

FENCE = re.compile(r"(?:[-*+] +|\d+[.)] +)?(?P<fence>`{3,}(?!.*`)|~{3,})")  # CommonMark; after a list marker, too

_CALL = r"(?!\w+\((?:e?s|ies)\))[\w.$]+\(.*\)"
_NAME = r"[$@]?[A-Za-z_][\w.]*(?:\[[^\]]*\])*"
_TYPES = r"(?:int|void|float|double|char|bool|boolean|long|auto|[Ss]tring|struct|enum|interface|const|let|var|final)"
_VALUE = r"(?:[\"'\[{(\d$&!~-]|\w+[(.\[]|new\s|None\b|[Tt]rue\b|[Ff]alse\b|null\b|[a-z]\w*;?$)"
_PLAIN = r"(?!(?:if|else|for|in|not|and|or|is|new|await|lambda|function|return)\b)[a-z]{2,}"
# Neither two plain words in a row nor a number and its unit, outside of strings and comments.
_NO_PHRASE = rf"(?![^\"'`#]*(?:\b{_PLAIN}|=\s*[$€£]?\d[\d.,]*) {_PLAIN}\b(?![(.\[]))"
_COLUMNS = r"[\w.*]+(?:\([^)]*\))?(?:\s+AS\s+\w+)?(?:\s*,\s*[\w.*]+(?:\([^)]*\))?(?:\s+AS\s+\w+)?)*"
_CLAUSE = r"(?:where|join|inner|left|right|order\s+by|group\s+by|limit)\b"
STRONG = _any_of(
    # Python
    r"(?:async\s+)?def\s+\w+\s*\(.*|class\s+\w+\s*(?:\([^)]*\))?\s*:|@\w+(?:\.\w+)*(?:\(.*\))?|>>>\s.*",
    r"from\s+[\w.]+\s+import\s+.+|import\s+[\w.]+(?:\s+as\s+\w+)?(?:\s*,\s*[\w.]+(?:\s+as\s+\w+)?)*;?",
    r"(?:(?:el)?if|while)\s+(?:(?:not\s+)?\w+|.*(?:[=<>]|\w[(\[.]\w*|__).*|\S+\s+(?:not\s+)?in\s+\S+):",
    r"for\s+\w+(?:\s*,\s*\w+)*\s+in\s+(?:[\w.]+|.*[(\[].*):|with\s+.*\(.*\)\s+as\s+\w+:",
    r"lambda\s+\w+(?:,\s*\w+)*:.*|(?:try|else|finally|except(?:\s+[\w.()]+(?:\s+as\s+\w+)?)?):",
    # assignments, calls, and returns, alone on their line
    rf"{_NO_PHRASE}(?:{_TYPES}\s+)*{_NAME}\s*(?:[-+*/%|&:]|\*\*|//)?=\s*{_VALUE}.*",
    rf"{_CALL}\s*(?:;|\{{|\)+;?)?(?:\s*(?:#|//).*)?|[\w.$]+\((?:function|.*=>).*",
    rf"{_NO_PHRASE}(?:return|yield|raise|throw|await|assert|del)\s+(?:{_CALL}|{_NAME}\s*(?:[-+*/%<>=!]=?\s*.+|;)|[\[({{\"'].*|.*;)",
    # C, Java, JavaScript, PHP
    r"#(?:include\s*[<\"]|(?:define|ifn?def|endif|pragma)\b).*|<\?(?:php|xml|=).*|#!/.*",
    r"package\s+main|import\s+\"[\w/.]+\"|(?:using\s+(?:namespace\s+)?[\w.:]+|package\s+[\w.]+|import\s+(?:static\s+)?[\w.*{}]+.*);",
    r"(?:(?:public|private|protected|static|abstract|virtual|override|inline|unsigned|export)\s+)+"
    r".*(?:[;{}=]|\w\(.*[),])",
    rf"(?:{_TYPES}|class)\s+\w+(?:\(|\s*[=;\[{{,]|\s+(?:extends|implements)\b)(?:.*[;{{(])?",
    rf"{_TYPES}\s+\w+\([^()]*\)",
    r"(?:const|let|var)\s+[\w{}\[\], ]+\s*=.*|(?:async\s+)?function\b\s*\w*\s*\(.*",
    r"(?:if|for|while|switch|catch)\s*\(.*\)\s*\{?.*[{;)]|\}?\s*(?:else|try|finally|do)\b.*\{",
    r".*[\w)\]]\s*(?:=>|->)\s*\{.*|[\w.]+(?:\+\+|--);|\$\w+\s*(?:=|->|\[).*",
    # SQL
    rf"SELECT(?:\s+(?:DISTINCT|TOP)\b.*|\s.*\sFROM\s.*|\s+{_COLUMNS},?)?|INSERT\s+INTO\s.*|UPDATE\s+\w+\s+SET\s.*",
    r"DELETE\s+FROM\s.*|(?:CREATE|ALTER|DROP|TRUNCATE)\s+(?:\w+\s+)?(?:TABLE|VIEW|INDEX|DATABASE|FUNCTION|TRIGGER)\s.*",
    rf"VALUES\s*\(.*|(?i:select\s+(?:distinct\s+)?(?:\*\s+from\s.*|{_COLUMNS}\s+from\s+[\w.]+\s*(?:;|{_CLAUSE}.*)))",
    r"(?i:update\s+\w+\s+set\s+\w+\s*=.*|delete\s+from\s+\w+(?:;|\s+where\s.*)|create\s+table\s+\w+\s*\(.*)",
    # markup and data
    r"<!DOCTYPE.*|<!--.*|</?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?>(?:.*</?[a-zA-Z][\w:-]*[^<>]*>)?;?",
    r"</?(?:html|head|body|div|table|tr|ul|ol|form|script|style|svg|nav|section)\b[^>]*>.*",
    r"[.#]?[a-zA-Z][\w-]*(?::[\w-]+)?(?:[\s,>]+[.#]?[a-zA-Z][\w-]*(?::[\w-]+)?)*\s*\{(?:[^{}]*:[^{}]*\})?",
    r"[a-z]\w*:\s*(?:\"[^\"]*\"|'[^']*'),?|[a-z-]+:\s*(?:[#\d.-][\w.%, -]*|[\w-]+);",
    r"\"[^\"]*\"\s*:\s*(?:[\[{\"\d-]|true\b|false\b|null\b).*|[\[{]\s*[\"'{\[].*[\"'}\],\d]",
    r"\\(?:begin|end|documentclass|usepackage|(?:sub)*section|item|newcommand)\b.*",
    # a shell
    r"\$\s+[a-z].*|for\s+\w+\s+in\s+.*;\s*do|(?:el)?if\s+\[.*\];?(?:\s*then)?|echo\s+[\"'$-].*",
    r"(?:sudo|pip3?|npm|npx|yarn|git|docker|kubectl|apt|apt-get|brew|conda)\s+(?:install|run|init|add|commit|push|pull"
    r"|clone|checkout|build|apt-get|apt|update|create|start)\b(?!\s+(?:a|an|the|your|is|and)\b).*",
    r"(?:ls|find)\s+[-.~/].*|\^\S+\$|(?:cd|mkdir|rm|cp|mv|chmod|cat|grep|curl|wget|ssh)\s+(?:-\w+|\S*[/.~*]\S*)(?:\s+\S+)?",
)
WEAK = _any_of(
    r"(?:#(?!#)|//|/\*|\*/|\*\s|--\s|%\s).*",  # comments
    r"(?:return|break|continue|pass|yield|raise|throw|end|else|try|finally|begin|done|fi|do|default|case)\b[^.]*",
    r".*[;{}\[(\\=|&]|[)\]}>]+.*",
    r"(?:AND|OR|ON|AS|SET|IN|UNION|END|CASE|WHEN|THEN|FROM|WHERE|GROUP BY|ORDER BY|HAVING|LIMIT|INNER|LEFT|RIGHT|OUTER"
    r"|FULL|CROSS|JOIN)\b.*",
    r"[a-z]\w*:\s*\S+,?",
    rf"{_NO_PHRASE}(?![A-Z][a-z]+ = [A-Za-z]+(?: [-+*/x] [A-Za-z]+)*$)[\w.$\"'\[\]]+\s*(?:=|:=|\+=|-=|<-)\s*.*",
    rf"{_NO_PHRASE}\w+\(.*",
)
LONGEST = 1000  # characters of a line of code; the patterns scan every part of a line several times
TRIPLE_QUOTE = re.compile(r'"""|\'\'\'')
SENTENCE = re.compile(r"\s*[A-Z].*[.!?]\s*$")
LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
SIGN_OF_CODE = re.compile(
    r"[={}\\]|[)\]\"'\d];\s*$|</?\w+[^<>]*>|\w\((?!(?:e?s|ies)\))|\w\[(?!\d{1,3}\])|\w_\w|^\s*(?:#|//)"
)
_BLOCK = r"(html|head|body|table|tr|ul|ol|div|form|script|style|svg|section|nav)"
OPENING_TAG, CLOSING_TAG = re.compile(rf"<{_BLOCK}\b[^>]*>"), re.compile(rf"</{_BLOCK}>")


def code_lines(lines: list[str]) -> list[bool]:
    """For each line of a text, which includes its line ending, whether it is code."""
    fenced = _fenced(lines)
    bare = ["" if inside else line.strip() for line, inside in zip(lines, fenced, strict=True)]
    code = [0 < len(line) <= LONGEST and STRONG.fullmatch(line) is not None for line in bare]
    _mark_indented(lines, bare, code)
    _mark_markup(bare, code)
    _spread(lines, bare, code)
    _mark_docstrings(bare, code)
    return [inside or found for inside, found in zip(fenced, code, strict=True)]


def _fenced(lines: list[str]) -> list[bool]:
    """For each line, whether it is in a fenced code block, fences included; a block never closed extends to the end."""
    inside, fence = [], None
    for line in lines:
        opening = FENCE.match(line.strip()) if fence is None else None
        inside.append(fence is not None or opening is not None)
        if opening:
            fence = opening["fence"]
        elif fence and re.fullmatch(rf"\s*{fence[0]}{{{len(fence)},}}\s*", line):
            fence = None
    return inside


def _mark_indented(lines: list[str], bare: list[str], code: list[bool]) -> None:
    """Mark blocks indented by four spaces or a tab after a blank line, as in Markdown, if one of their lines has a sign
    of code: verse and letters are indented as well. Below a list item they are its continuation."""
    start, above = 0, ""
    while start < len(lines):
        end = start
        while end < len(lines) and bare[end] and re.match(r" {4}|\t", lines[end]):
            end += 1
        block = lines[start:end]
        set_off = start == 0 or not lines[start - 1].strip()
        in_list = any(map(LIST_ITEM.match, [above, *block]))
        signs = [SIGN_OF_CODE.search(line) and not SENTENCE.match(line) for line in block]
        if set_off and not in_list and any(signs):
            code[start:end] = [True] * len(block)
        start = max(end, start + 1)
        above = bare[start - 1] or above


def _mark_markup(bare: list[str], code: list[bool]) -> None:
    """Mark everything from an opening block tag at the start of a line to its last closing tag."""
    closed = {tag: number for number, line in enumerate(bare) for tag in CLOSING_TAG.findall(line)}  # the last of each
    inside = 0
    for number, line in enumerate(bare):
        if opening := OPENING_TAG.match(line):
            inside = max(inside, closed.get(opening[1], 0) + 1)
        code[number] |= number < inside


def _spread(lines: list[str], bare: list[str], code: list[bool]) -> None:
    """Extend code to lines next to it: weak ones, and those that are indented below it."""
    filled = [number for number, line in enumerate(bare) if line]
    for numbers in (filled, filled[::-1]):  # downwards, then upwards
        for neighbour, number in pairwise(numbers):
            if not code[neighbour] or code[number]:
                continue
            indent, apart = _indent(lines[number]), abs(number - neighbour) > 1
            below = neighbour < number and indent > 0 and not LIST_ITEM.match(lines[number])
            weak = len(bare[number]) <= LONGEST and WEAK.fullmatch(bare[number]) and (indent > 0 or not apart)
            code[number] = bool(weak or (below and (not apart or indent > _indent(lines[neighbour]))))


def _mark_docstrings(bare: list[str], code: list[bool]) -> None:
    """Mark what is between triple quotes, if it is next to code: triple quotes around a passage of prose are prose."""
    opening = None
    for number, line in enumerate(bare):
        quotes = len(TRIPLE_QUOTE.findall(line))
        if opening is None and quotes:
            opening = number
            quotes -= 1
        if opening is None or not quotes:
            continue
        before = next((n for n in range(opening - 1, -1, -1) if bare[n]), opening)
        after = next((n for n in range(number + 1, len(bare)) if bare[n]), opening)
        if code[before] or code[opening] or code[after]:
            code[opening : number + 1] = [True] * (number + 1 - opening)
        opening = None


def _indent(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())


# ---- what is kept inside prose

# A pattern can start only once in a run of characters, or is bounded in length: a row may have 100,000 of them.
_TICKS = r"(?<![`\w])(?P<ticks>`{1,9})(?!`)[^\n]{0,300}?[^`\n](?P=ticks)(?![`\w])"
_URL = (
    r"(?:https?://|ftp://|www\.)(?:\([^\s()<>]*\)|[^\s<>\"'`|()])+(?<![.,;:!?…\]}])"
    r"|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io)\b(?:/[^\s<>\"'`|()]*[\w/])?"
)
_MAIL = r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_CODE = (
    r"\$\$[^$]+\$\$|\$(?=[^\s$\d])[^$\n]{0,200}[\\^_{}=][^$\n]{0,200}(?<=\S)\$(?!\d)"  # formulas
    r"|\\\(.{0,200}?\\\)|\\\[.{0,200}?\\\]|(?<!\w:)(?<![\\\w])\\[a-zA-Z]+(?:\{[^{}]*\})*"
    r"|\b[A-Z]:\\[\w\\.-]*\w|(?<![\w/.~])~?/(?:[\w.-]+/)+[\w.-]*\w"  # paths
    r"|</?[a-zA-Z][^<>\n]*>|<!--.{0,300}?-->|&[a-z]+;"  # tags and entities
    r"|\$?\{\{?[\w .]*\}?\}|%[sd]\b|%\(\w+\)s"  # placeholders
    r"|(?<![\w.])[A-Za-z_][\w.]*\((?:\)|[^()\n]{0,200}[\"'=_,\[][^()\n]{0,200}\))"  # a call
    r"|\b[A-Za-z]\w*_\w+\b|\b_+[A-Za-z]\w*|_{2,}"  # snake_case, and blanks to fill in
    r"|(?<![\w-])[\w-]+\.(?:py|js|ts|java|cpp|html?|css|csv|jsonl?|xml|ya?ml|txt|md|pdf|docx?|xlsx?|png|jpe?g|gif|exe|sh|sql)\b"
    r"|(?<!\w)[#@][A-Za-z_]\w+"  # hashtags and mentions
)
# Letters of scripts other than Latin, emoji, arrows, mathematical and other signs, and the marks that belong to them.
_FOREIGN = (
    "(?:[\u00a9\u00ae\u00b1-\u00b3\u00b9\u00bc-\u00be\u00d7\u00f7\u0370-\u1dff\u1f00-\u1fff\u20d0-\u20ff\u2100-\u2bff"
    "\u2c60-\u2dff\u2e80-\ud7ff\uf900-\ufaff\ufb13-\ufdff\ufe70-\ufefc\uff10-\uffdc\U00010000-\U0010ffff]"
    "[\u200d\ufe0e\ufe0f]*)+"
)
_FIGURES = r"\d+(?:[.,:/-]\d+)*"
NUMBER = re.compile(rf"(?:(?<![\w)])[-−])?{_FIGURES}")
_NAMED_NUMBER = rf"\b[A-Za-z]+-?{_FIGURES}[A-Za-z]*\b|\d+[eE][-+]?\d+"  # COVID-19, H2O, v2.1, 1e6
_SPAN = rf"{_TICKS}|{_CODE}|{_MAIL}|{_URL}|{_FOREIGN}|{_NAMED_NUMBER}"
KEPT = re.compile(rf"{_SPAN}|{NUMBER.pattern}")
# Whatever is kept has a character or a pair that plain prose lacks: this check settles most sentences.
MAY_KEEP = re.compile(r"[^A-Za-z\s.,;:!?'\"()‘’“”–—…-]|\w\(|\w\.\w")
_KEPT_WORD = re.compile(rf"{_SPAN}|[$€£¥]?{NUMBER.pattern}\w*[%°]?")  # with the rest of its word: 20th, $5, 3 %
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]{2}")


FORMULA = re.compile(  # an equals sign, and no words
    r"(?=.*[=≤≥≈])(?:[^A-Za-z]|(?<![A-Za-z])(?:[A-Za-z]{1,2}|(?:arc)?(?:sin|cos|tan)|log|exp|sqrt|max|min|mod|lim)"
    r"(?![A-Za-z]))+"
)


def kept_spans(segment: str) -> list[tuple[int, int]]:
    """Start and end of each span of a segment of prose that must be unchanged in its translation, in order."""
    return [span.span() for span in KEPT.finditer(segment)] if MAY_KEEP.search(segment) else []


def kept_texts(segment: str) -> list[str]:
    """The texts in a segment of prose that must be unchanged in its translation, in order."""
    return [segment[start:end] for start, end in kept_spans(segment)]


def cut_around_kept(segment: str) -> list[Piece]:
    """Cut a segment so that what is kept becomes structure, along with the rest of its word (20th)."""
    pieces: list[Piece] = []
    copied = 0
    for span in _KEPT_WORD.finditer(segment):
        pieces += [*_cut_edges(segment[copied : span.start()]), Piece(span.group(), prose=False)]
        copied = span.end()
    return [piece for piece in (*pieces, *_cut_edges(segment[copied:])) if piece.text]


def has_words(text: str) -> bool:
    """Whether a text needs translation, that is, has a word of two or more Latin letters outside of what is kept."""
    if not MAY_KEEP.search(text):
        return bool(_WORD.search(text))
    return bool(_WORD.search(KEPT.sub(" ", text))) and not FORMULA.fullmatch(text)


_SIGNS = re.compile(r"\W*")


def _prefix_length(pattern: re.Pattern[str], text: str) -> int:
    """Length of the match of a pattern at the start of a text."""
    found = pattern.match(text)
    return found.end() if found else 0


def _cut_edges(text: str) -> Iterator[Piece]:
    """Cut a text into the space and signs before its first word, the body, and the space after it."""
    yield from _cut_at(text, _prefix_length(_SIGNS, text))


def _cut_at(text: str, start: int) -> Iterator[Piece]:
    """Cut a text into what precedes `start`, the body, and the space after it."""
    body = text[start:].rstrip()
    end = start + len(body)
    yield from (Piece(text[:start], prose=False), Piece(body, prose=has_words(body)), Piece(text[end:], prose=False))


# ---- a whole text

_LEAD = re.compile(
    r"""\s*(?:
    (?: [-*+•◦▪‣·–—]                   # - item
      | \#{1,6}                         # # heading
      | \[[ xX]\]                       # [ ] task
      | \d{1,3}(?:\.\d{1,3})*[.):]      # 1. item, 2) item, 1.2. item
      | [A-Za-z][.)]                    # a) item, B. item
      | [ivxIVX]{2,5}[.)]               # iv. item
      | \((?:\d{1,3}|\w|[ivx]{2,5})\)   # (1) item, (a) item, (iv) item
    )\s+
  | >+\s*                               # > quotation
  | (?:[-•◦▪‣]|\d{1,3}[.)])(?=[^\W\d])  # -item, 1.item
)*""",
    re.VERBOSE,
)
# Tabs and runs of spaces; two spaces between lower-case words are a typing error.
_GAP = r"(?<=\S)[ \t]*\t[ \t]*(?=\S)|(?<=\S) {3,}(?=\S)|(?<=[^\sa-z,]) {2}(?=\S)|(?<=\S) {2}(?=[^\sa-z])"
_PIPE = r"(?<!\s)\s*\|\s*"


def _cut_line(line: str, table: bool) -> Iterator[Piece]:
    """Cut one line of prose, including its line ending: at gaps, at the pipes of a table, after markers."""
    filled = line.rstrip()
    for number, part in enumerate(re.split(rf"({_PIPE}|{_GAP})" if table else rf"({_GAP})", filled)):
        yield from [Piece(part, prose=False)] if number % 2 else _cut_at(part, _prefix_length(_LEAD, part))
    yield Piece(line[len(filled) :], prose=False)


def cut(text: str) -> list[Piece]:
    """Cut a text into pieces, whose texts concatenate to `text`."""
    lines = text.splitlines(keepends=True)
    pipes = [0, *(line.count("|") for line in lines), 0]
    pieces: list[Piece] = []
    for number, (line, code) in enumerate(zip(lines, code_lines(lines), strict=True)):
        above, here, below = pipes[number : number + 3]
        table = here > 1 or bool(here and (above or below))  # a single pipe does not make a table
        pieces.extend([Piece(line, prose=False)] if code else _cut_line(line, table))
    return [piece for piece in pieces if piece.text]


def prose_segments(text: str) -> list[str]:
    """The segments of a text that need translation, in order."""
    return [piece.text for piece in cut(text) if piece.prose]


def rebuild(text: str, translations: "SupportsGetItem[str, str]") -> str:
    """The text with every segment of prose replaced by its translation. Raises KeyError when one is missing."""
    return "".join(translations[piece.text] if piece.prose else piece.text for piece in cut(text))
