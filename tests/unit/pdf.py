"""A reader for the one-page PDFs that matplotlib writes: the fonts that they embed, and the glyphs that they show."""

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from fontTools.ttLib import TTFont

TOKEN = re.compile(rb"\(((?:[^\\()]|\\.)*)\)|([^\s\[\]()]+)", re.DOTALL)  # a string, or a number, name or operator
ESCAPES = {b"\\n": b"\n", b"\\r": b"\r"}  # in a string; any other character after a backslash stands for itself


@dataclass(frozen=True)
class Font:
    """A font in a PDF: its name without the subset tag, how it is embedded, its file, and the glyph of each code."""

    name: str
    kinds: tuple[str, str]  # of the font and of its descendant
    file: TTFont
    glyphs: tuple[int, ...]

    def width(self, glyph: int) -> float:
        """How far a glyph moves the pen, in thousandths of the size."""
        return 1000 * self.file["hmtx"][self.file.getGlyphName(glyph)][0] / self.file["head"].unitsPerEm


@dataclass(frozen=True)
class Shown:
    """A glyph on the page: its font, its number in the font's file, and its distance from the start of its text."""

    font: Font
    glyph: int
    x: float  # points


class Pdf:
    """The objects of a PDF by their number, located by its cross-reference table."""

    def __init__(self, path: Path):
        data = path.read_bytes()
        table = data[int(re.findall(rb"startxref\s+(\d+)", data)[-1]) :]
        entries = enumerate(re.findall(rb"(\d{10}) \d{5} ([nf])", table))
        places = {number: int(place) for number, (place, state) in entries if state == b"n"}
        starts = sorted(places.values())
        ends = dict(zip(starts, [*starts[1:], len(data)], strict=True))
        self._objects = {number: data[place : ends[place]] for number, place in places.items()}
        self._page = next(number for number in places if re.search(rb"/Type /Page\s", self._dictionary(number)))

    def fonts(self) -> dict[str, Font]:
        """The fonts, by the names that the page uses."""
        listed = self._dictionary(self._reference(self._reference(self._page, "Resources"), "Font"))
        return {name.decode(): self._font(int(number)) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", listed)}

    def shown(self) -> list[Shown]:
        """The glyphs of the page, in the order in which they are drawn."""
        fonts, shown, operands = self.fonts(), [], []
        font, size, start, x = None, 0.0, 0.0, 0.0
        for match in TOKEN.finditer(self._stream(self._reference(self._page, "Contents"))):
            text, word = match.groups()
            if text is not None:
                operands.append(two_bytes_each(re.sub(rb"\\.", unescaped, text, flags=re.DOTALL)))
                continue
            operands.append(word.decode())
            match operands:
                case [*_, "BT"]:
                    start = x = 0.0
                case [*_, name, points, "Tf"]:
                    font, size = fonts[name.removeprefix("/")], float(points)
                case [*_, right, _, "Td"]:  # relative to the start of the previous line
                    start = x = start + float(right)
                case [*items, "TJ"]:
                    for item in items:
                        if isinstance(item, str):
                            x -= float(item) * size / 1000
                            continue
                        for code in item:
                            shown.append(Shown(font, font.glyphs[code], x))
                            x += font.width(font.glyphs[code]) * size / 1000
            if word[:1].isalpha():
                operands = []
        return shown

    def _font(self, number: int) -> Font:
        descendant = self._reference(number, "DescendantFonts")
        file = self._stream(self._reference(self._reference(descendant, "FontDescriptor"), "FontFile2"))
        return Font(
            name=self._name(number, "BaseFont").split("+")[-1],
            kinds=(self._name(number, "Subtype"), self._name(descendant, "Subtype")),
            file=TTFont(io.BytesIO(file)),
            glyphs=two_bytes_each(self._stream(self._reference(descendant, "CIDToGIDMap"))),
        )

    def _dictionary(self, number: int) -> bytes:
        return self._objects[number].split(b"stream\n")[0]

    def _name(self, number: int, key: str) -> str:
        return re.search(rf"/{key}\s+/([^\s/>]+)".encode(), self._dictionary(number))[1].decode()

    def _reference(self, number: int, key: str) -> int:
        """The number of the object that a key refers to, given alone or as a list of one."""
        return int(re.search(rf"/{key}\s+(?:\[ )?(\d+) 0 R".encode(), self._dictionary(number))[1])

    def _stream(self, number: int) -> bytes:
        raw = self._objects[number].split(b"stream\n", 1)[1].rsplit(b"\nendstream", 1)[0]
        return zlib.decompress(raw) if b"/FlateDecode" in self._dictionary(number) else raw


def unescaped(sign: re.Match) -> bytes:
    """The character that an escape sequence stands for."""
    return ESCAPES.get(sign[0], sign[0][1:])


def two_bytes_each(data: bytes) -> tuple[int, ...]:
    """Big-endian numbers of two bytes."""
    return tuple(high << 8 | low for high, low in zip(data[::2], data[1::2], strict=True))
