"""The fonts of the figures: DejaVu Sans, which comes with matplotlib, and those in a folder.

    fonts.register("resources/fonts")  # before anything else imports matplotlib
    rcParams["font.family"] = fonts.FAMILY
    if fonts.can_show(caption): ...

matplotlib looks up a character in the families in order, and shapes Indic scripts with the font that it finds (it
includes libraqm). Fonts of the machine are never used, and nothing is written to the user's home.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from basics.errors import InputError

if TYPE_CHECKING:
    from matplotlib.font_manager import FontManager


LATIN = "DejaVu Sans"  # and Cyrillic, Greek, mathematics
FAMILY = [LATIN]  # families, in the order of lookup; `register` adds those in a folder


def register(folder: Path | str = "resources/fonts") -> None:
    """Make matplotlib's own fonts and every .ttf in a folder available, and no others; list them in FAMILY.

    Call this before matplotlib is imported: then no list of the machine's fonts is made or read from the user's cache,
    and the user's matplotlibrc is ignored. A later call still removes the machine's fonts from the list. A second call
    replaces the folder. Raises InputError if the folder has no fonts, or a file that is not one.
    """
    files = sorted(Path(folder).glob("*.ttf"))
    if not files:
        raise InputError(f"{folder}: holds no .ttf file; give the folder of the fonts, resources/fonts")
    manager = _font_manager()

    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font

    bundled = Path(get_data_path())
    manager.ttflist = [entry for entry in manager.ttflist if bundled in Path(entry.fname).parents]
    families = []
    for file in files:
        _check_outlines(file)
        try:
            families.append(FT2Font(file).family_name)
            manager.addfont(file.resolve())
        except (OSError, RuntimeError):
            raise InputError(f"{file}: not a font that matplotlib can read; replace or remove it") from None
    FAMILY[:] = dict.fromkeys([LATIN, *families])
    _fix_positions_in_pdf()


def _check_outlines(file: Path) -> None:
    """Raise InputError for PostScript outlines, which matplotlib 3.11 embeds as if they were TrueType."""
    with file.open("rb") as stream:
        if stream.read(4) == b"OTTO":
            raise InputError(
                f"{file}: has PostScript outlines, which a PDF would embed wrongly; convert it to TrueType outlines"
            )


def can_show(text: str) -> bool:
    """Whether each character of a text, except line ends, has a glyph in one of the fonts of FAMILY."""
    from matplotlib.font_manager import findfont

    shown = set().union(*(_characters(findfont(family, fallback_to_default=False)) for family in FAMILY))
    return shown.issuperset(ord(character) for character in text if character != "\n")


@cache
def _characters(path: str) -> frozenset[int]:
    """The code points that a font file has glyphs for."""
    from matplotlib.font_manager import get_font

    return frozenset(get_font(path).get_charmap())


def _font_manager() -> "FontManager":
    """matplotlib's list of fonts, made without the machine's fonts and without a cache in the user's home.

    MPL_IGNORE_SYSTEM_FONTS stays unset afterwards, even if the user had set it: it would hide our folder.
    """
    with TemporaryDirectory() as folder, _environment(MPLCONFIGDIR=folder, MPL_IGNORE_SYSTEM_FONTS="yes"):
        from matplotlib.font_manager import fontManager
    os.environ.pop("MPL_IGNORE_SYSTEM_FONTS", None)
    return fontManager


def _fix_positions_in_pdf() -> None:
    """Place a PDF's glyph correctly if its font differs from that of the glyph before it.

    matplotlib 3.11 then moves to the glyph's position and applies the kerning a second time. After a Bengali vowel
    sign, which is placed by kerning, this is a third of a letter too far for the question mark of another font. The
    PDF backend uses the position only at such a change of font, so we subtract the kerning from it.
    """
    from matplotlib import _text_helpers
    from matplotlib.backends import backend_pdf

    def layout(*arguments: Any, **options: Any) -> Iterator[SimpleNamespace]:
        for item in _text_helpers.layout(*arguments, **options):
            yield SimpleNamespace(
                ft_object=item.ft_object,
                char=item.char,
                glyph_index=item.glyph_index,
                x=item.x - item.prev_kern,
                y=item.y,
                prev_kern=item.prev_kern,
            )

    # ty: this namespace replaces a module, and has the one function that the PDF backend calls.
    backend_pdf._text_helpers = SimpleNamespace(layout=layout)  # ty: ignore[invalid-assignment]


@contextmanager
def _environment(**variables: str) -> Generator[None]:
    """Set environment variables within the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
