"""`snakemake --report` is one file that a real browser shows without a network: captions, figures, tables, claims,
runtimes and costs."""

import re
from pathlib import Path

import pytest

from browser import BROWSER, Browser
from snake import DEMO, REPOSITORY, snakemake

pytestmark = [
    pytest.mark.demo,
    pytest.mark.usefixtures("miniature"),
    pytest.mark.skipif(not BROWSER, reason="no Chromium or Chrome on the PATH to open the report with"),
]
FIGURES = [
    "Figure 2: LoRA on Tiny Pythia",
    "Figure 3: LoRA on Tiny BLOOM",
    "Figure 4: Full-parameter on Tiny BLOOM",
    "Figure 5: LoRA and full-parameter on Tiny BLOOM, unseen languages",
    "Figure 6: Score lost to language identification",
    "Figure 7: LoRA on models of several families",
    "What a training budget buys",
]
SHOW, TELL = "eye", "information-circle"  # the two buttons of a result: itself, and its caption
SHOWN = "[...document.images].filter(image => image.src.startsWith('data:image/png') && image.naturalWidth > 1000)"


@pytest.fixture(scope="module")
def report(tmp_path_factory, miniature) -> Path:
    """The report, in a folder away from the results that it was made from."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    made = snakemake("--profile", "profiles/local", *DEMO, "--report", str(path))
    assert made.returncode == 0, made.stdout[-2000:]
    return path


@pytest.fixture
def page(browser, report):
    """The report, freshly opened; afterwards, it must have asked for nothing on a network and logged no error."""
    browser.open(report)
    browser.until("document.body.innerText.includes('Statistics')")
    yield browser
    assert browser.complaints == []
    assert {re.split("[:,;]", address)[0] for address in browser.requests} <= {"file", "data", "blob"}


def results(page: Browser) -> list[str]:
    """What the open category lists."""
    page.until("document.querySelectorAll('a[iconname=information-circle]').length > 0")
    return page.run("[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].innerText.trim())")


def press(page: Browser, result: str, button: str) -> None:
    row = f"[...document.querySelectorAll('tbody tr')].find(row => row.cells[0].innerText.trim() == '{result}')"
    page.run(f"{row}.querySelector('a[iconname={button}]').click()")


def test_the_first_page_says_what_the_study_is_and_lists_what_there_is(page):
    for category in ("Answers", "Claims", "Costs", "Figures", "Tables"):
        assert category in page.text()
    page.click("Workflow")
    page.until("document.body.innerText.includes('Which instruction-tuning data makes a better multilingual model')")
    assert "stand-in judge" in page.text()


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_shown_and_so_is_its_caption(page, figure):
    page.click("Figures")
    assert results(page) == FIGURES
    press(page, figure, SHOW)
    page.until(f"{SHOWN}.length == 1")
    press(page, figure, TELL)
    page.until("document.body.innerText.includes('Squares: multilingual')")
    assert "Judge: stand-in judge" in page.text()


@pytest.mark.parametrize(
    ("category", "table", "words", "caption"),
    [
        ("Claims", "Claims of the paper", "separate monolingual tuning", "bootstrap confidence interval over prompts"),
        ("Costs", "Trainings", "Tiny Pythia 0.23M", "hours summed over devices"),
        ("Tables", "Table 1: hyperparameters", "scaling factor", "from the settings of this run"),
        ("Tables", "Scores of all runs", "Tiny OpenLLaMA 0.4M", "Evaluation scores of all tuned models"),
        ("Tables", "Judges", "stand-in", "How the judges rated"),
        ("Tables", "Overlap of prompts and training rows", "rows repeated", "training rows that repeat, by language"),
        ("Tables", "Languages of the answers", "Tiny BLOOM 0.42M", "in the language asked for"),
    ],
)
def test_a_table_is_shown_as_a_table_and_so_is_its_caption(page, category, table, words, caption):
    page.click(category)
    assert table in results(page)
    press(page, table, SHOW)
    assert words in page.until("document.body?.innerText", page.run_in_frame)
    assert page.run_in_frame("document.querySelectorAll('tbody tr').length") > 2
    press(page, table, TELL)
    page.until(f"document.body.innerText.replace(/\\s+/g, ' ').includes({caption!r})")


def test_a_table_is_sorted_by_a_click_within_the_report(page):
    page.click("Costs")
    assert results(page) == ["Losses of all trainings", "Trainings"]
    press(page, "Trainings", SHOW)
    page.until("document.querySelector('th button') != null", page.run_in_frame)
    tokens = "[...document.querySelectorAll('th')].find(head => head.textContent == 'tokens')"
    page.run_in_frame(f"{tokens}.querySelector('button').click()")
    assert page.run_in_frame(f"{tokens}.getAttribute('aria-sort')") == "ascending"
    shown = page.run_in_frame("[...document.querySelector('tbody').rows].map(row => row.cells[5].textContent)")
    assert shown[0].endswith(" k") and shown[-1].endswith(" M")


def test_the_answers_to_prompts_in_each_language_are_shown_and_so_is_their_caption(page):
    page.click("Answers")
    assert results(page) == ["Bengali", "Bulgarian", "Chinese", "English", "Norwegian", "Spanish"]
    press(page, "Bulgarian", SHOW)
    page.until("document.documentElement?.dataset.ready", page.run_in_frame)
    assert page.run_in_frame("document.querySelectorAll('#prompts a').length") == 10
    page.run_in_frame("document.querySelector('#prompts a[href*=what-cat]').click()")
    asked = "document.querySelector('#heading').textContent == 'Bulgarian, prompt what-cat' && document.body.innerText"
    shown = str(page.until(asked, page.run_in_frame))
    assert "Какво е котката?" in shown and "Tiny BLOOM 0.42M, LoRA" in shown and "✗ answered in English" in shown
    press(page, "Bulgarian", TELL)
    page.until("document.body.innerText.includes('each judge')")


def test_the_runtimes_of_all_rules_are_drawn(page):
    page.click("Statistics")
    page.until("document.querySelectorAll('canvas, svg.marks').length == 2")
    drawn = page.until("[...document.querySelectorAll('canvas')].map(canvas => canvas.width * canvas.height)")
    assert all(size > 10_000 for size in drawn)
    runtimes = Path(page.run("decodeURIComponent(location.pathname)")).read_text(encoding="utf-8")
    for rule in ("train", "respond", "judge", "figure"):
        assert f'"rule": "{rule}"' in runtimes


def test_the_report_is_one_file_that_needs_no_other(report):
    text = report.read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](?!data:|#)([^\"']+)", text)
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]
    assert text.count(REPOSITORY.as_posix()) == 0  # if `in` failed, pytest would compare megabytes for minutes
