"""Make the fonts of this folder from the packages that bring them whole (README.md names them and says where they are):

  python resources/fonts/subset.py DIR --output resources/fonts

DIR holds the three packages as `npm pack` leaves them. Of each font only the characters of its script stay, with what
shapes them (GSUB, GPOS); Latin is left to DejaVu Sans, which comes with matplotlib. Hints go: they are for screens of
few dots. Outlines stay TrueType (glyf), which is what matplotlib embeds: it would put PostScript outlines (CFF) into a
PDF in the place of TrueType ones, where readers need not understand them.

Writes a .ttf for each script and OFL.txt, the licence with everybody's copyright. The times in a font are those of the
package's, so that a second run gives the same bytes.
"""

import argparse
import hashlib
import io
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "workflow" / "scripts"))

from basics.command_line import command_line  # noqa: E402
from basics.errors import InputError  # noqa: E402
from basics.writing import beside, write_text  # noqa: E402

JOINERS = (
    0x200C,
    0x200D,
)  # ask a script that joins its letters not to, or to; they have to be in the font of the letters
DOTTED_CIRCLE = 0x25CC  # bears a vowel sign that has no letter
DANDAS = (0x0964, 0x0965)  # the full stops of Indian scripts: encoded with Devanagari, drawn by each font its own way
VEDIC = range(0x1CD0, 0x1D00)
LEVEL_1 = range(16, 56)  # rows of GB 2312: its 3,755 commonest characters
BEYOND_LEVEL_1 = "弈"  # in the authors' prompts
NAMES = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]  # copyright, family, style ... trademark, licence and its address
UNUSED = ["BASE", "STAT", "gasp", "meta", "vhea", "vmtx"]  # baselines, axes, hinting, vertical text
SHAPING = ["GDEF", "GPOS", "GSUB"]


def level_1() -> list[int]:
    """The characters of GB 2312's first level, which are ordered by their pronunciation; the last row is not full."""
    cells = (bytes([0xA0 + row, 0xA0 + cell]) for row in LEVEL_1 for cell in range(1, 95))
    return [ord(character) for cell in cells for character in cell.decode("gb2312", errors="ignore")]


@dataclass(frozen=True)
class Font:
    """A font to make: where it is in which package, and the characters that stay."""

    package: str  # as `npm pack` names it
    member: str
    sha256: str  # of the member
    characters: tuple[int, ...]
    shaped: bool  # whether its letters change by their neighbours


FONTS = {
    "NotoSansBengali.ttf": Font(
        "expo-google-fonts-noto-sans-bengali-0.4.4.tgz",
        "package/400Regular/NotoSansBengali_400Regular.ttf",
        "6826d9667972f0f96e48c46f7a24e70afe97205032e6295cfb1f13fbbb8b90a3",
        (*range(0x0980, 0x0A00), *VEDIC, *DANDAS, *JOINERS, DOTTED_CIRCLE),
        shaped=True,
    ),
    "NotoSansDevanagari.ttf": Font(
        "expo-google-fonts-noto-sans-devanagari-0.4.1.tgz",
        "package/400Regular/NotoSansDevanagari_400Regular.ttf",
        "084a94d89eb54aafb93a056e15425c34fd859f6342875165d304837b3bcfc2d2",
        (*range(0x0900, 0x0980), *range(0xA8E0, 0xA900), *VEDIC, *JOINERS, DOTTED_CIRCLE),
        shaped=True,
    ),
    "NotoSansSC.ttf": Font(
        "expo-google-fonts-noto-sans-sc-0.4.3.tgz",
        "package/400Regular/NotoSansSC_400Regular.ttf",
        "d45f67f0a7c0ca3f256950777ce6a61cc7ce5f9696d02900cbbaac25f8aa7d16",
        (*level_1(), *map(ord, BEYOND_LEVEL_1), *range(0x3000, 0x3020), *range(0xFF01, 0xFF5F), 0xFFE5),
        shaped=False,
    ),
}
LICENCE = "package/LICENSE_FONT"


def member_of(package: Path, name: str) -> bytes:
    """One file of a package. Raises InputError when the package is not there or has no such file."""
    try:
        with tarfile.open(package) as archive:
            return archive.extractfile(name).read()
    except FileNotFoundError:
        raise InputError(f"{package}: no such file; fetch it as resources/fonts/README.md says") from None
    except (KeyError, tarfile.TarError) as error:
        raise InputError(f"{package}: {error}; fetch it again") from None


def subset_of(font: bytes, characters: Iterable[int], shaped: bool) -> bytes:
    """A TrueType font of these characters alone (those that the font has), and of the forms that they can take."""
    options = subset.Options(
        drop_tables=[*subset.Options().drop_tables, *UNUSED, *([] if shaped else SHAPING)],
        glyph_names=False,
        hinting=False,
        name_IDs=NAMES,
        notdef_outline=True,  # an empty box, should a character be missing after all
    )
    cut = TTFont(io.BytesIO(font), recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(cut)
    written = io.BytesIO()
    cut.save(written)
    return written.getvalue()


def make(font: Font, folder: Path) -> bytes:
    """The font, from its package. Raises InputError for another version of the package."""
    whole = member_of(folder / font.package, font.member)
    if hashlib.sha256(whole).hexdigest() != font.sha256:
        raise InputError(f"{folder / font.package}: {font.member} is not the version that this script knows")
    return subset_of(whole, font.characters, font.shaped)


def licence(folder: Path) -> str:
    """The text of the licence, which the packages repeat, under the first lines of all, which are their copyrights."""
    texts = [member_of(folder / font.package, LICENCE).decode("utf-8") for font in FONTS.values()]
    copyrights, rests = zip(*(text.split("\n", 1) for text in texts), strict=True)
    if len(set(rests)) > 1:
        raise InputError(f"{folder}: the packages have different licences; read them")
    return "\n".join([*copyrights, rests[0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with the packages")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the fonts and OFL.txt")
    options = parser.parse_args()
    for name, font in FONTS.items():
        made = make(font, options.folder)
        with beside(options.output / name) as written:
            written.write_bytes(made)
        print(f"{hashlib.sha256(made).hexdigest()}  {len(made):>9,} bytes  {name}")
    write_text(options.output / "OFL.txt", licence(options.folder))


if __name__ == "__main__":
    command_line(main)
