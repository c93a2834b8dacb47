"""A reader of the PDFs of one page that matplotlib writes: the fonts that they carry, and the glyphs that they show."""

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from fontTools.ttLib import TTFont

ESCAPES = {b"\\n": b"\n", b"\\r": b"\r"}  # in a string; any other sign means itself behind a backslash


@dataclass(frozen=True)
class Font:
    """A font of a PDF: its name without the tag of the subset, how it is embedded, its file, the glyph of each code."""

    name: str
    kinds: tuple[str, str]  # of the font and of its descendant
    file: TTFont
    glyphs: tuple[int, ...]


class Pdf:
    """A PDF's objects, by their number, as its cross-reference table places them."""

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
        """The fonts, by what the page calls them."""
        listed = self._dictionary(self._reference(self._reference(self._page, "Resources"), "Font"))
        return {name.decode(): self._font(int(number)) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", listed)}

    def shown(self) -> list[tuple[Font, int]]:
        """The glyphs of the page in the order in which they are drawn: each a font and a glyph's number in its file."""
        fonts, font, shown = self.fonts(), None, []
        content = self._stream(self._reference(self._page, "Contents"))
        for chosen, text in re.findall(rb"/(F\d+) \S+ Tf|\(((?:[^\\()]|\\.)*)\)", content, re.DOTALL):
            if chosen:
                font = fonts[chosen.decode()]
            codes = re.sub(rb"\\.", lambda found: ESCAPES.get(found[0], found[0][1:]), text, flags=re.DOTALL)
            shown += [(font, font.glyphs[code]) for code in two_bytes_each(codes)]
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
        """The number of the object that a key refers to, by itself or as a list of one."""
        return int(re.search(rf"/{key}\s+(?:\[ )?(\d+) 0 R".encode(), self._dictionary(number))[1])

    def _stream(self, number: int) -> bytes:
        raw = self._objects[number].split(b"stream\n", 1)[1].rsplit(b"\nendstream", 1)[0]
        return zlib.decompress(raw) if b"/FlateDecode" in self._dictionary(number) else raw


def two_bytes_each(data: bytes) -> tuple[int, ...]:
    """Big-endian numbers of two bytes."""
    return tuple(high << 8 | low for high, low in zip(data[::2], data[1::2], strict=True))
