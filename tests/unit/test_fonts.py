"""Figures use fonts that come with the workflow: every language's texts are shown, on any machine, and embedded."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.ttLib import TTFont

from basics.errors import InputError
from data.languages import read_table
from pdf import Pdf
from real_prompts import AUTHORS, real_prompts
from reporting import fonts

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
FOLDER = REPOSITORY / "resources" / "fonts"
PROMPTS = REPOSITORY / "resources" / "demo" / "prompts"
SENTENCES = yaml.safe_load((Path(__file__).parent / "sentences.yaml").read_text(encoding="utf-8"))
TABLE = read_table(REPOSITORY / "resources" / "languages.yaml")
LANGUAGES = {code: entry for code, entry in TABLE.items() if "own" in entry}  # others are shown by their English names
SHIPPED = sorted(FOLDER.glob("*.ttf"))
LATIN = "DejaVuSans"
SIZE = 8  # points
BENGALI, DEVANAGARI, CHINESE = "NotoSansBengali-Regular", "NotoSansDevanagari-Regular", "NotoSansSC-Regular"
FONT_OF = {"as": BENGALI, "bn": BENGALI, "hi": DEVANAGARI, "mr": DEVANAGARI, "ne": DEVANAGARI, "zh": CHINESE}
DANDA = "।"  # ends a sentence in both Indian scripts, and comes from the first font that has it: the Bengali one

sys.path.insert(0, str(FOLDER))
import subset  # noqa: E402  resources/fonts/subset.py

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # matplotlib warns about a character that no font has


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The shipped fonts, with matplotlib restored after the test for tests that register none."""
    from matplotlib.backends import backend_pdf
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", fontManager.ttflist)
    monkeypatch.setattr(backend_pdf, "_text_helpers", backend_pdf._text_helpers)
    fonts.register(FOLDER)


def texts(code):
    """Our own texts in a language: its name, sentences, and the miniature's prompts."""
    prompts = PROMPTS / f"{code}.jsonl"
    lines = prompts.read_text(encoding="utf-8").splitlines() if prompts.exists() else []
    sentences = SENTENCES.get(LANGUAGES[code]["labels"][0], [])
    return [LANGUAGES[code]["own"], *sentences, *(json.loads(line)["prompt"] for line in lines)]


def draw(lines, path, **settings):
    """Write lines of text in the registered fonts, to a .pdf or a .png."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.family": fonts.FAMILY, "pdf.fonttype": 42} | settings):
        canvas = Figure(figsize=(8, 0.2 * len(lines)))
        for number, line in enumerate(lines):
            canvas.text(0.01, 1 - (number + 0.7) / len(lines), line, fontsize=SIZE, parse_math=False)
        canvas.savefig(path, dpi=100)
    return path


def outline(file, glyph):
    """The strokes of a glyph, by its number in the font, with the parts of a compound glyph."""
    glyphs = file.getGlyphSet()
    pen = DecomposingRecordingPen(glyphs)
    glyphs[file.getGlyphName(glyph)].draw(pen)
    return pen.value


# ---- drawn


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_pdf_embeds_the_fonts_of_a_languages_texts_as_truetype(code, tmp_path):
    carried = Pdf(draw([f"{LANGUAGES[code]['name']}, {text}" for text in texts(code)], tmp_path / "drawn.pdf")).fonts()
    names = {font.name for font in carried.values()}
    danda = {BENGALI} if any(DANDA in text for text in texts(code)) else set()
    assert names == {LATIN, FONT_OF.get(code, LATIN)} | danda
    for font in carried.values():
        assert font.kinds == ("Type0", "CIDFontType2")
        assert any(outline(font.file, glyph) for glyph in range(1, font.file["maxp"].numGlyphs))


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_text_is_drawn_as_an_empty_box(code, tmp_path):
    shown = Pdf(draw(texts(code), tmp_path / "drawn.pdf")).shown()
    assert len(shown) >= len(LANGUAGES[code]["own"]) // 2  # Indic letters combine into fewer glyphs than characters
    assert all(drawn.glyph for drawn in shown)
    draw(texts(code), tmp_path / "drawn.png")  # would warn about an empty box


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_name_is_visible_in_a_png_too(code, tmp_path):
    from matplotlib.image import imread

    assert imread(draw([LANGUAGES[code]["own"]], tmp_path / "drawn.png"))[..., :3].min() < 0.3


@real_prompts
@pytest.mark.parametrize("code", ["bg", "bn", "cs", "en", "es", "fi", "fr", "hi", "no", "ru", "zh"])
def test_the_authors_prompts_are_drawn_without_an_empty_box(code, tmp_path):
    prompts = (AUTHORS / f"test_{code}.jsonl").read_text(encoding="utf-8")
    lines = prompts.splitlines()  # as they are: those in Hindi are not all JSON
    assert all(fonts.can_show(line) for line in lines)
    assert all(drawn.glyph for drawn in Pdf(draw(lines, tmp_path / "drawn.pdf")).shown())


# ---- shaped


def drawn_glyphs(text, path):
    """The outlines of the glyphs that a text is drawn with, in order."""
    return [outline(drawn.font.file, drawn.glyph) for drawn in Pdf(draw([text], path)).shown()]


def outlines_of(text, name):
    """The outlines that a shipped font has for characters by themselves."""
    file = TTFont(FOLDER / name)
    return [outline(file, file.getGlyphID(file.getBestCmap()[ord(character)])) for character in text]


def test_a_bengali_vowel_sign_that_stands_before_its_letter_is_drawn_before_it(tmp_path):
    letter, vowel = outlines_of("কি", "NotoSansBengali.ttf")
    assert drawn_glyphs("কি", tmp_path / "drawn.pdf") == [vowel, letter]


def test_a_vowel_sign_that_begins_a_bengali_word_has_a_form_of_its_own(tmp_path):
    _, letter, vowel = outlines_of("রহে", "NotoSansBengali.ttf")
    first, *rest = drawn_glyphs("হে", tmp_path / "drawn.pdf")
    assert rest == [letter] and first not in (letter, vowel)
    assert drawn_glyphs("রহে", tmp_path / "drawn.pdf")[1:] == [vowel, letter]


def test_a_hindi_vowel_sign_is_drawn_before_its_letter_in_a_width_that_fits_it(tmp_path):
    letter, vowel = outlines_of("हि", "NotoSansDevanagari.ttf")
    first, *rest = drawn_glyphs("हि", tmp_path / "drawn.pdf")
    assert rest == [letter] and first not in (letter, vowel)


@pytest.mark.parametrize("text", ["ক্ষ", "ज्ञ"])
def test_a_conjunct_of_three_characters_is_one_glyph(text, tmp_path):
    assert len(drawn_glyphs(text, tmp_path / "drawn.pdf")) == 1


def test_a_joiner_shapes_its_letters_and_is_invisible(tmp_path):
    plain, joined = (drawn_glyphs(text, tmp_path / "drawn.pdf") for text in ("র্যা", "র\u200d্যা"))
    assert plain != joined
    assert joined[0] == outlines_of("র", "NotoSansBengali.ttf")[0]


# ---- placed


def places(text):
    """The distances of the glyphs from the start of a text, in points, when it is drawn without a PDF."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.textpath import text_to_path

    font = get_font([findfont(family) for family in fonts.FAMILY])
    font.set_size(text_to_path.FONT_SCALE, text_to_path.DPI)
    return [x * SIZE / text_to_path.FONT_SCALE for _, x, *_ in text_to_path.get_glyphs_with_font(font, text)[0]]


@pytest.mark.parametrize("post_script", [3, 42])  # matplotlib also splits a PDF's fonts by this setting
@pytest.mark.parametrize("text", ["কিছু? টি, (স্টে)", "স্টেশনের", "हूँ? कृपया, (हिन्दी)", "РА, Та. AV: Тé", "中文？AV"])
def test_a_glyph_from_another_font_than_the_one_before_it_is_placed_where_it_belongs(text, post_script, tmp_path):
    shown = Pdf(draw([text], tmp_path / "drawn.pdf", **{"ps.fonttype": post_script})).shown()
    assert [drawn.x for drawn in shown] == pytest.approx(places(text), abs=SIZE / 50)


# ---- asked


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_texts_of_every_language_with_a_name_of_its_own_can_be_shown(code):
    assert [text for text in texts(code) if not fonts.can_show(text)] == []


def test_every_language_can_be_shown_by_its_english_name():
    assert [entry["name"] for entry in TABLE.values() if not fonts.can_show(entry["name"])] == []


def test_the_languages_of_the_paper_the_prompts_and_the_miniature_have_names_of_their_own():
    assert LANGUAGES.keys() >= {"bg", "bn", "cs", "de", "en", "es", "fi", "fr", "hi", "no", "ru", "zh"}


@pytest.mark.parametrize(
    "text", ["ภาษาไทย", "한국어", "עברית עם ไทย", "English, then ไทย", "臺灣", "\U0001f980", "a\tb"]
)
def test_a_text_with_a_character_that_no_font_has_cannot_be_shown(text):
    assert not fonts.can_show(text)


@pytest.mark.parametrize("text", ["", "one line\nand another", "বাংলা and 中文", "x ≤ 3, “quoted” — ½"])
def test_a_text_in_several_scripts_and_lines_can_be_shown(text):
    assert fonts.can_show(text)


# ---- found


PROGRAM = """
{before}
from reporting import fonts
fonts.register({folder!r})
from matplotlib.figure import Figure
from matplotlib import rcParams
rcParams.update({{"font.family": fonts.FAMILY, "pdf.fonttype": 42}})
canvas = Figure()
canvas.text(0.1, 0.5, "Chinese 中文, Bengali বাংলা", fontsize=11)
canvas.savefig({path!r}, metadata={{"CreationDate": None}})
"""


def draw_at_home(home, path, before="", **variables):
    """Draw in a process of its own, with a home folder; any output is an error."""
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(before=before, folder=str(FOLDER), path=str(path))],
        env=environment | {"HOME": str(home), "PYTHONPATH": str(SCRIPTS)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout + result.stderr == ""
    return path.read_bytes()


@pytest.fixture
def home(tmp_path):
    """The home of a user who has other fonts under the same names, and other settings."""
    home = tmp_path / "home"
    for folder in (home / ".local/share/fonts", home / ".config/matplotlib"):
        folder.mkdir(parents=True)
    (home / ".config/matplotlib/matplotlibrc").write_text("text.color: red\n")
    for family in ("DejaVu Sans", "Noto Sans SC"):
        impostor = TTFont(FOLDER / "NotoSansBengali.ttf")
        for record in impostor["name"].names:
            if record.nameID == 1:
                record.string = family
        impostor.save(home / ".local/share/fonts" / f"{family}.ttf")
    return home


def test_fonts_and_settings_of_the_machine_make_no_difference(home, tmp_path):
    there, bare = sorted(home.rglob("*")), tmp_path / "bare"
    bare.mkdir()
    drawn = draw_at_home(home, tmp_path / "home.pdf", XDG_DATA_HOME=str(home / ".local/share"))
    assert drawn == draw_at_home(bare, tmp_path / "bare.pdf", MPL_IGNORE_SYSTEM_FONTS="1")
    assert sorted(home.rglob("*")) == there
    assert list(bare.iterdir()) == []


def test_fonts_of_the_machine_that_matplotlib_already_knows_are_forgotten(home, tmp_path):
    before = "from matplotlib.font_manager import findfont; assert '.local' in findfont('Noto Sans SC')"
    draw_at_home(home, path := tmp_path / "drawn.pdf", before, XDG_DATA_HOME=str(home / ".local/share"))
    assert {font.name for font in Pdf(path).fonts().values()} == {LATIN, BENGALI, CHINESE}


def test_a_missing_home_does_no_harm(tmp_path):
    assert draw_at_home(tmp_path / "nowhere", tmp_path / "drawn.pdf")


def test_registering_twice_is_the_same_as_registering_once():
    from matplotlib.font_manager import fontManager

    known = list(fontManager.ttflist)
    fonts.register(FOLDER)
    assert fontManager.ttflist == known
    assert fonts.FAMILY == ["DejaVu Sans", "Noto Sans Bengali", "Noto Sans Devanagari", "Noto Sans SC"]


def test_another_font_in_the_folder_shows_its_script(tmp_path):
    (tmp_path / "only.ttf").write_bytes((FOLDER / "NotoSansBengali.ttf").read_bytes())
    fonts.register(tmp_path)
    assert fonts.FAMILY == ["DejaVu Sans", "Noto Sans Bengali"]
    assert fonts.can_show("বাংলা") and not fonts.can_show("中文")


def test_a_folder_without_fonts_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.ttf file; give the folder of the fonts") as error:
        fonts.register(tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no font"])
def test_a_file_that_is_not_a_font_is_named(content, tmp_path):
    (tmp_path / "x.ttf").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.ttf: not a font that matplotlib can read; replace or remove it"):
        fonts.register(tmp_path)


def test_a_font_with_postscript_outlines_is_refused(tmp_path):
    pen = T2CharStringPen(600, None)
    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder([".notdef"])
    builder.setupCFF("Curves", {}, {".notdef": pen.getCharString()}, {})
    builder.setupHorizontalMetrics({".notdef": (600, 0)})
    builder.setupHorizontalHeader()
    builder.setupCharacterMap({})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "x.ttf")
    with pytest.raises(InputError, match=r"x\.ttf: has PostScript outlines, .*; convert it to TrueType outlines"):
        fonts.register(tmp_path)


# ---- shipped


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_font_is_the_one_that_its_readme_describes(path):
    rows = re.findall(r"^\| (\S+\.ttf) \|.*\| ([\d,]+) \| `(\w{64})` \|$", (FOLDER / "README.md").read_text(), re.M)
    content = path.read_bytes()
    assert (path.name, f"{len(content):,}", hashlib.sha256(content).hexdigest()) in rows
    assert len(rows) == len(SHIPPED) == len(subset.FONTS)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_font_has_a_free_licence_and_its_copyright_is_stated(path):
    named = TTFont(path)["name"]
    assert "SIL Open Font License, Version 1.1" in named.getDebugName(13)
    owner = "Adobe" if "Adobe" in named.getDebugName(0) else named.getDebugName(0).split("Authors")[1].strip(" ()")
    told = (FOLDER / "OFL.txt").read_text(encoding="utf-8")
    assert owner in told and "SIL OPEN FONT LICENSE Version 1.1 - 26 February 2007" in told


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_subsetting_a_font_again_gives_the_same_bytes(path):
    font = subset.FONTS[path.name]
    assert subset.subset_of(path.read_bytes(), font.characters, font.shaped) == path.read_bytes()


def test_the_fonts_are_small():
    assert sum(path.stat().st_size for path in SHIPPED) < 1_500_000


def test_the_first_level_of_gb_2312_has_its_3755_characters():
    level = subset.level_1()
    assert len(set(level)) == len(level) == 3755
    assert (chr(level[0]), chr(level[-1])) == ("啊", "座")


def test_a_missing_package_gives_one_line(tmp_path):
    command = [sys.executable, FOLDER / "subset.py", tmp_path, "--output", tmp_path / "made"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert re.fullmatch(r"error: .*\.tgz: no such file; fetch it as resources/fonts/README.md says\n", result.stderr)
    assert not (tmp_path / "made").exists()
