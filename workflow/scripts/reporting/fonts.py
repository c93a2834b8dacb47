"""The fonts that figures are written in: DejaVu Sans, which comes with matplotlib, and those of a folder.

    fonts.register("resources/fonts")  # before anything else imports matplotlib
    rcParams["font.family"] = fonts.FAMILY
    if fonts.can_show(caption): ...

matplotlib looks for a character in the families in their order, and shapes Indian scripts with the font that it finds
(libraqm comes with it). Fonts of the machine are never looked at, nor is anything written to the user's home.
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
FAMILY = [LATIN]  # the families in the order in which a character is looked for; `register` adds those of a folder


def register(folder: Path | str = "resources/fonts") -> None:
    """Let matplotlib know its own fonts and those of a folder (every .ttf there), and no others; name them in FAMILY.

    Call it before matplotlib is imported: then no list of the machine's fonts is made, or read from the user's cache,
    and no matplotlibrc of the user's is followed. Called later, it still takes the machine's fonts off the list. A
    second call replaces the folder. Raises InputError when the folder holds no font, or a file that is none.
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
    _mend_places_in_pdf()


def _check_outlines(file: Path) -> None:
    """Raise InputError for PostScript outlines: matplotlib 3.11 embeds them as if they were TrueType ones."""
    with file.open("rb") as stream:
        if stream.read(4) == b"OTTO":
            raise InputError(
                f"{file}: has PostScript outlines, which a PDF would hold wrongly; convert it to TrueType outlines"
            )


def can_show(text: str) -> bool:
    """Whether each character of a text has a glyph in one of the fonts of FAMILY; a line end needs none."""
    from matplotlib.font_manager import findfont

    shown = set().union(*(_characters(findfont(family, fallback_to_default=False)) for family in FAMILY))
    return shown.issuperset(ord(character) for character in text if character != "\n")


@cache
def _characters(path: str) -> frozenset[int]:
    """The code points that a font file has glyphs for."""
    from matplotlib.font_manager import get_font

    return frozenset(get_font(path).get_charmap())


def _font_manager() -> "FontManager":
    """matplotlib's list of fonts, made without the machine's and without a cache in the user's home.

    MPL_IGNORE_SYSTEM_FONTS does not come back even where the user has set it: from then on it would hide our folder.
    """
    with TemporaryDirectory() as folder, _environment(MPLCONFIGDIR=folder, MPL_IGNORE_SYSTEM_FONTS="yes"):
        from matplotlib.font_manager import fontManager
    os.environ.pop("MPL_IGNORE_SYSTEM_FONTS", None)
    return fontManager


def _mend_places_in_pdf() -> None:
    """Let a PDF's glyph stand where it belongs when its font is not that of the glyph before it.

    matplotlib 3.11 then goes to the glyph's place and kerns it once more. After a Bengali vowel sign, which is placed
    by kerning, that is a third of a letter: too far for the question mark of another font. The place is of use to the
    PDF at such a change alone, so it is given less the kerning.
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

    # ty: what stands in for a module has of it what the PDF backend calls.
    backend_pdf._text_helpers = SimpleNamespace(layout=layout)  # ty: ignore[invalid-assignment]


@contextmanager
def _environment(**variables: str) -> Generator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
