"""Tables of the report in a real browser: sorted by a click or a key on the head of a column, names on one line. In the
report itself: test_report.py."""

import re
from pathlib import Path

import pytest

from browser import BROWSER, Browser
from page import page
from reporting.markdown import markdown_table
from snake import REPOSITORY

pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium or Chrome on the PATH to open the page with")

PARTS = REPOSITORY / "resources" / "pages"
ROWS = [
    {"model": "BLOOM 7.1B", "tokens": "498 k", "effect": "−1.8 [−3.2, −0.6]", "recipe": "Monolingual (Bulgarian)"},
    {"model": "BLOOM 560M", "tokens": "1,234", "effect": "–", "recipe": "Multilingual"},
    {"model": "Pythia 1B", "tokens": "999", "effect": "+3.2 [+1, +4]", "recipe": "English-only"},
    {"model": "Pythia 70M", "tokens": "3.6 M", "effect": "0 [−1, +1]", "recipe": "Downsampled"},
    {"model": "all", "tokens": "4.1 M", "effect": "–", "recipe": ""},
]
GIVEN = [row["model"] for row in ROWS]
FIRST = "[...document.querySelector('table').tBodies[0].rows].map(row => row.cells[0].textContent)"
SORTED = "[...document.querySelector('table').tHead.rows[0].cells].map(head => head.getAttribute('aria-sort'))"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "page.html"
    small = markdown_table([{"only": "one row"}])
    small += "\n\n" + markdown_table([{"": "first", "named": "1"}, {"": "second", "named": "2"}])
    path.write_text(
        page(f"{markdown_table(ROWS, right=['tokens'])}\n\nText\n\n{small}\n", "t", PARTS), encoding="utf-8"
    )
    return path


@pytest.fixture
def table(browser, file):
    """The page, freshly opened; afterwards, it must have asked for nothing but itself and logged no error."""
    browser.send("Emulation.clearDeviceMetricsOverride")
    browser.open(file)
    yield browser
    assert browser.complaints == []
    assert set(browser.requests) == {file.as_uri()}


def click(table: Browser, head: str) -> list[str]:
    """The first column after a click on a head."""
    table.run(f"[...document.querySelectorAll('th button')].find(each => each.textContent == '{head}').click()")
    return table.run(FIRST)


def test_a_table_is_as_it_was_made_until_a_head_is_clicked(table):
    assert table.run(FIRST) == GIVEN
    assert table.run(SORTED) == [None] * 4


@pytest.mark.parametrize(
    ("head", "upwards", "downwards"),
    [
        ("model", ["BLOOM 560M", "BLOOM 7.1B", "Pythia 70M", "Pythia 1B"], None),
        ("tokens", ["Pythia 1B", "BLOOM 560M", "BLOOM 7.1B", "Pythia 70M"], None),
        (
            "effect",
            ["BLOOM 7.1B", "Pythia 70M", "Pythia 1B", "BLOOM 560M"],
            ["Pythia 1B", "Pythia 70M", "BLOOM 7.1B", "BLOOM 560M"],
        ),
    ],
)
def test_clicks_sort_upwards_then_downwards_then_as_it_was_and_what_is_absent_stays_last(
    table, head, upwards, downwards
):
    assert click(table, head) == [*upwards, "all"]
    assert click(table, head) == [*(downwards or upwards[::-1]), "all"]
    assert click(table, head) == GIVEN


def test_a_reader_of_the_screen_is_told_the_one_column_that_sorts(table):
    click(table, "model")
    assert table.run(SORTED) == ["ascending", None, None, None]
    click(table, "tokens")
    click(table, "tokens")
    assert table.run(SORTED) == [None, "descending", None, None]


@pytest.mark.parametrize(("key", "code", "text"), [("Enter", 13, "\r"), (" ", 32, " ")])
def test_the_keyboard_sorts_as_well(table, key, code, text):
    for stroke in (("Tab", 9, ""), (key, code, text)):
        which = {"key": stroke[0], "windowsVirtualKeyCode": stroke[1]}
        table.send("Input.dispatchKeyEvent", type="keyDown", **which, **({"text": stroke[2]} if stroke[2] else {}))
        table.send("Input.dispatchKeyEvent", type="keyUp", **which)
    assert table.run(SORTED)[0] == "ascending"
    assert table.run(FIRST)[0] == "BLOOM 560M"


def test_a_table_of_one_row_has_nothing_to_sort(table):
    assert table.run("document.querySelectorAll('table')[1].querySelectorAll('button').length") == 0


def test_a_column_without_a_name_has_no_button_and_arrows_are_no_part_of_a_name(table):
    assert table.run("[...document.querySelectorAll('table')].at(-1).querySelectorAll('button').length") == 1
    nodes = table.send("Accessibility.getFullAXTree")["nodes"]
    named = [node["name"]["value"] for node in nodes if node["role"]["value"] == "button"]
    assert named == [*ROWS[0], "named"]


def test_names_and_numbers_stay_on_one_line_on_a_narrow_screen_which_scrolls_sideways(table):
    table.send("Emulation.setDeviceMetricsOverride", width=320, height=800, deviceScaleFactor=1, mobile=False)
    lines = table.run(
        "[...document.querySelectorAll('td.name, td.right')]"
        ".map(cell => { const range = document.createRange(); range.selectNodeContents(cell);"
        " return new Set([...range.getClientRects()].map(each => each.top)).size })"
    )
    assert max(lines) == 1 and len(lines) == 15
    assert table.run("document.documentElement.scrollWidth > innerWidth")


def test_sorting_needs_no_address_of_its_own(file):
    assert not re.findall("https?://", file.read_text(encoding="utf-8"))
