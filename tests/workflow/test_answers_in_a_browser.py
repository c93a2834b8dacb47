"""The page of answers in a real browser without a network: what is shown, chosen, found, sorted and linked; and that
nothing that a model or a judge wrote is more than text."""

import sys
import time
from pathlib import Path

import pytest

from answered import REPOSITORY, answer, made
from browser import BROWSER, Browser

sys.path.append(str(REPOSITORY / "benchmarks"))

from synthetic_scores import full_matrix, with_texts

pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium or Chrome on the PATH to open the page with")

HOSTILE = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 2'><b>a.b</b> `*&lt;"
ROWS = [
    answer("en", "cat", 3, recipe="mono-en", response="A small pet."),
    answer("en", "cat", 3, method="full", explanation="Ünïque reason."),
    answer("en", "dog", 1, recipe="mono-en"),
    answer("en", "dog", 3),
    answer("en", "dog", 3, seed=43),
    answer("es", "cat", 2, recipe="mono-es", response="Un animal (pequeño)."),
    answer("es", "cat", 3, match=False, label="eng_Latn"),
    answer("es", "dog", None, response="", label=None, match=False, explanation=None),
    answer("ar", "cat", 2.5, response="حيوان أليف.", ratings=[2, 3]),
    answer("zh", "cat", 2, model="bloom-m", response="一种动物。", label="zho_Hant"),
]
BOB = [row | {"judge": "bob", "rating": 1, "score": 1} for row in ROWS if (row["lang"], row["id"]) == ("en", "cat")]
HEAD = "[...document.querySelectorAll('main h3')].map(each => each.textContent)"
CARDS = "[...document.querySelectorAll('article')]"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("answers"), ROWS + BOB, "--title", "Answers: x", "--note", "A study of pets.")


@pytest.fixture
def page(browser, file):
    """The page, freshly opened; afterwards, it must have asked for nothing but itself and logged no error."""
    visit(browser, file)
    yield browser
    assert browser.complaints == []
    assert set(browser.requests) <= {"about:blank", file.as_uri()}


def visit(browser: Browser, file: Path, fragment: str = "") -> None:
    """Open a page as if for the first time."""
    browser.send("Emulation.clearDeviceMetricsOverride")
    browser.send("Page.navigate", url="about:blank")
    browser.until("location.href == 'about:blank'")
    browser.requests.clear()
    browser.complaints.clear()
    browser.send("Page.navigate", url=file.as_uri() + fragment)
    browser.until("document.documentElement?.dataset.ready")


def choose(page: Browser, **values: object) -> None:
    """Set form fields as a user does."""
    for name, value in values.items():
        page.run(
            f"(() => {{ const field = document.querySelector('#choice [name={name}]'); field.value = {value!r};"
            " field.dispatchEvent(new Event('input', { bubbles: true })) })()"
        )
    time.sleep(0.3)  # a search waits for the next key


def tick(page: Browser, label: str) -> None:
    """Press a method, model or recipe."""
    labels = "[...document.querySelectorAll('fieldset label')]"
    page.run(f"{labels}.find(each => each.textContent.trim() == {label!r}).click()")
    time.sleep(0.1)


def told(page: Browser) -> str:
    return str(page.run("document.getElementById('told').textContent"))


def listed(page: Browser) -> list[str]:
    """The addresses of the prompts, in the order of the list."""
    return page.run("[...document.querySelectorAll('#prompts a')].map(each => each.hash)")


def responses(page: Browser) -> list[str]:
    return page.run(f"{CARDS}.map(each => each.querySelector('.text')?.textContent)")


def press(page: Browser, key: str) -> None:
    code = {"Tab": 9, "Enter": 13, "ArrowDown": 40, "ArrowUp": 38}[key]
    text = {"text": "\r"} if key == "Enter" else {}
    for kind in ("keyDown", "keyUp"):
        page.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)
        text = {}
    time.sleep(0.1)


# ---- what is shown


def test_the_first_prompt_is_shown_with_its_answers_side_by_side(page):
    assert told(page) == "6 prompts, 10 answers"
    assert listed(page) == ["#en/cat", "#en/dog", "#es/cat", "#es/dog", "#ar/cat", "#zh/cat"]
    assert page.run(HEAD) == ["BLOOM 560M, LoRA, seed 42", "BLOOM 560M, Full-parameter, seed 42"]
    assert "A study of pets." in page.text()
    [first, second] = page.run(f"{CARDS}.map(each => each.innerText.replace(/\\s+/g, ' '))")
    assert first.startswith("English-only link ✓ English (0.99), 12 characters A small pet. Score 3 rating 3 by ann")
    assert first.endswith("It is right. Score 1 rating 1 by bob It is right.")
    assert second.startswith("Multilingual")
    places = page.run(f"{CARDS}.map(each => each.getBoundingClientRect().left)")
    assert places[0] < places[1], "a column for each recipe"


def test_an_answer_in_another_language_says_so_beside_the_english_wording(page):
    choose(page, lang="1")
    assert page.text().count("What is a cat, in en?") == 1
    [_, wrong] = page.run(f"{CARDS}.map(each => each.innerText)")
    assert "✗ answered in English (0.99)" in wrong and "Score 0 rating 3 by ann" in " ".join(wrong.split())


def test_what_is_missing_is_said(page):
    page.click("What is a dog, in es?")
    page.until("document.querySelector('h2').textContent == 'Spanish, prompt dog'")
    shown = " ".join(str(page.run(f"{CARDS}[0].innerText")).split())
    assert shown == "Multilingual link ✗ answered in no language, 0 characters The answer is empty. " + (
        "Score no score no rating by ann No explanation."
    )


def test_a_mean_of_repeats_says_of_which(page):
    choose(page, lang="2")
    assert "rating 2.5 (mean of 2, 3) by ann" in page.text()


def test_arabic_runs_from_right_to_left_and_chinese_names_its_script(page):
    choose(page, lang="2")
    answered = "document.querySelector('article .text')"
    assert page.run(f"[{answered}.lang, getComputedStyle({answered}).direction]") == ["ar-Arab", "rtl"]
    assert page.run("getComputedStyle(document.querySelector('.judgement .text')).direction") == "ltr"
    choose(page, lang="3")
    assert page.run(f"{answered}.lang") == "zh-Hant"
    assert page.run("document.querySelector('#asked .text').lang") == "zh"


def test_a_long_answer_is_folded_and_opens(browser, tmp_path):
    visit(browser, made(tmp_path, [answer(response="word " * 2000)]))
    height = "document.querySelector('article .text').getBoundingClientRect().height"
    folded = browser.run(height)
    browser.click("Show all of it")
    assert browser.run(height) > 3 * folded
    assert browser.run("document.querySelector('[aria-expanded=true]').textContent") == "Show less of it"


# ---- what is chosen, found and sorted


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"lang": 0}, "2 prompts, 5 answers"),
        ({"lang": 2}, "1 prompt, 1 answer"),
        ({"match": 1}, "5 prompts, 8 answers"),
        ({"match": 0}, "2 prompts, 2 answers"),
        ({"least": 2.5}, "3 prompts, 5 answers"),
        ({"most": 1}, "3 prompts, 4 answers"),
        ({"least": 0}, "5 prompts, 9 answers"),
        ({"judge": 1}, "1 prompt, 2 answers"),
        ({"judge": 1, "least": 2}, "0 prompts, 0 answers"),
        ({"lang": 1, "match": 0, "most": 0}, "1 prompt, 1 answer"),
    ],
    ids=str,
)
def test_answers_are_chosen_by_language_match_score_and_judge(page, chosen, says):
    choose(page, **{name: str(value) for name, value in chosen.items()})
    assert told(page) == says


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("Full-parameter", "6 prompts, 9 answers"),
        ("BLOOM 1.1B", "5 prompts, 9 answers"),
        ("Multilingual", "3 prompts, 3 answers"),
        ("Monolingual (Spanish)", "6 prompts, 9 answers"),
    ],
)
def test_answers_are_chosen_by_method_model_and_recipe(page, label, says):
    tick(page, label)
    assert told(page) == says


def test_all_and_none_of_the_models_are_a_press_away_and_filters_are_cleared_by_another(page):
    page.run("document.querySelector('[aria-label=\"Models: none\"]').click()")
    assert told(page) == "0 prompts, 0 answers" and responses(page) == []
    tick(page, "BLOOM 1.1B")
    assert told(page) == "1 prompt, 1 answer"
    page.click("Clear all filters")
    assert told(page) == "6 prompts, 10 answers"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("un animal (", "1 prompt, 1 answer"),
        ("ünïque", "1 prompt, 1 answer"),
        ("ÜNÏQUE", "1 prompt, 1 answer"),
        ("IN ES?", "2 prompts, 3 answers"),
        ("in en?", "6 prompts, 10 answers"),
        ("动物", "1 prompt, 1 answer"),
        (".*", "0 prompts, 0 answers"),
        ("dog", "2 prompts, 4 answers"),
    ],
)
def test_a_search_finds_what_is_written_in_prompts_answers_and_explanations(page, query, says):
    choose(page, query=query)
    assert told(page) == says


def test_what_was_searched_for_is_marked(page):
    choose(page, query="animal")
    assert set(page.run("[...document.querySelectorAll('main mark')].map(each => each.textContent)")) == {"animal"}


def test_prompts_are_sorted_by_how_far_recipes_or_judges_disagree_and_by_score(page):
    choose(page, lang="0", order="recipes")
    assert listed(page) == ["#en/dog", "#en/cat"]
    assert "recipes’ mean scores differ by 2" in page.text()
    choose(page, order="judges")
    assert listed(page) == ["#en/cat", "#en/dog"]
    assert "judges’ ratings differ on average by 2" in page.text() and "nothing to compare" in page.text()
    choose(page, lang="", order="low")
    assert listed(page)[0] == "#es/cat" and listed(page)[-1] == "#es/dog", "what has no score comes last"


def test_one_judge_or_language_is_not_offered_for_choice(browser, file, tmp_path):
    fields = "[...document.querySelectorAll('#lang, #judge')].map(each => each.checkVisibility())"
    visit(browser, file)
    assert browser.run(fields) == [True, True] and "disagreement between judges" in browser.text()
    visit(browser, made(tmp_path, ROWS))
    assert browser.run(fields) == [True, False] and "disagreement between judges" not in browser.text()
    visit(browser, tmp_path / "pages" / "English.html")
    assert browser.run(fields) == [False, False]


# ---- links


def test_every_answer_has_an_address_that_leads_to_it(browser, file):
    visit(browser, file, "#en/dog/lora/bloom-s/multilingual/43")
    assert browser.run("document.querySelector('h2').textContent") == "English, prompt dog"
    linked = browser.run("document.activeElement.querySelector('header a').hash")
    assert linked == browser.run("document.querySelector('.linked header a').hash") == browser.run("location.hash")


def test_a_link_is_followed_through_filters_that_hide_its_answer(page):
    choose(page, lang="2", query="حيوان")
    page.run("location.hash = '#es/cat/lora/bloom-s/mono-es/42'")
    page.until("document.querySelectorAll('.linked').length == 1")
    assert told(page).startswith("6 prompts, 10 answers; the filters are cleared")
    assert page.run("document.querySelector('.linked .text').textContent") == "Un animal (pequeño)."


def test_the_way_back_leads_to_the_prompt_before(page):
    page.click("What is a cat, in zh?")
    page.until("document.querySelector('h2').textContent == 'Chinese, prompt cat'")
    page.click("← before")
    page.until("document.querySelector('h2').textContent == 'Arabic, prompt cat'")
    page.run("history.back()")
    page.until("document.querySelector('h2').textContent == 'Chinese, prompt cat'")


def test_an_id_may_hold_any_character(browser, tmp_path):
    ids = ["a/b", "a", "100 %", "ça?#&'\"<b>"]
    file = made(tmp_path, [answer(id=id, response=id) for id in ids])
    visit(browser, file)
    for address, id in zip(listed(browser), ids, strict=True):
        browser.run(f"location.hash = {address!r}")
        browser.until(f"document.querySelector('article .text').textContent == {id!r}")
        address = browser.run("document.querySelector('article header a').hash")
        visit(browser, file, address)
        assert browser.run("document.querySelector('.linked .text').textContent") == id


def test_an_address_that_leads_nowhere_shows_the_first_prompt(browser, file):
    visit(browser, file, "#xx/%E0%A4%A")
    assert told(browser) == "6 prompts, 10 answers" and browser.complaints == []


# ---- text is text


def test_nothing_that_was_written_runs_or_becomes_an_element(browser, tmp_path):
    fields = dict.fromkeys(("id", "prompt", "response", "explanation", "label", "recipe", "model", "method"), HOSTILE)
    file = made(tmp_path, [answer() | fields | {"judge": HOSTILE}, answer("es")])
    visit(browser, file)
    assert HOSTILE in responses(browser)
    assert browser.text().count(HOSTILE) >= 6
    choose(browser, query="<script>window")
    assert "<script>window" in browser.run("[...document.querySelectorAll('main mark')].map(each => each.textContent)")
    browser.run("document.querySelector('article header a').click()")
    browser.until("Boolean(document.querySelector('.linked'))")
    assert browser.run("window.ran === undefined && document.querySelectorAll('img, b').length === 0")
    assert browser.run("document.scripts.length") == 2
    assert set(browser.requests) == {file.as_uri()} and browser.complaints == []


def test_even_markup_in_the_page_would_run_and_load_nothing(browser, tmp_path):
    visit(browser, made(tmp_path, [answer()]))
    browser.run("document.querySelector('main').innerHTML = '<img src=x onerror=\"window.ran = 1\">'")
    browser.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 2'}))")
    browser.run("fetch('https://example.org').catch(() => 0)")
    time.sleep(0.5)
    assert browser.run("window.ran === undefined")
    assert sum("Content Security Policy" in complaint for complaint in browser.complaints) >= 3


# ---- hands and ears


def test_the_keyboard_reaches_everything(page):
    press(page, "Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the answers"
    press(page, "Enter")
    assert page.run("document.activeElement.id") == "heading"
    page.run("document.querySelector('#prompts a').focus()")
    press(page, "ArrowDown")
    press(page, "ArrowDown")
    press(page, "ArrowUp")
    assert page.run("document.activeElement.hash") == "#en/dog"
    press(page, "Enter")
    page.until("document.querySelector('h2').textContent == 'English, prompt dog'")
    assert page.run("document.activeElement.id") == "heading", "from where the next Tab leads to the answers"
    press(page, "Tab")
    assert page.run("document.activeElement.closest('article').ariaLabel").endswith("English-only")


def test_a_screen_reader_is_told_what_everything_is_called(page):
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    spoken = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    controls = ("searchbox", "combobox", "spinbutton", "checkbox", "button", "link", "article", "navigation", "form")
    assert [role for role, name in spoken if role in controls and not name] == []
    assert {("searchbox", "Search"), ("combobox", "Language"), ("spinbutton", "Score, at least")} <= set(spoken)
    assert ("article", "BLOOM 560M, LoRA, seed 42, English-only") in spoken
    assert ("link", "Link to the answer of BLOOM 560M, LoRA, seed 42, English-only") in spoken
    headings = page.run("[...document.querySelectorAll('h1, h2, h3, h4')].map(each => each.tagName + each.textContent)")
    assert headings[:4] == ["H1Answers: x", "H2English, prompt cat", "H3BLOOM 560M, LoRA, seed 42", "H4English-only"]
    assert sum(role == "heading" for role, _ in spoken) == len(headings) == 6
    assert [role for role, _ in spoken].count("status") == 1, "how many were found is read out"


def test_a_narrow_window_has_one_column_and_does_not_scroll_sideways(page):
    page.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    assert page.run("document.documentElement.scrollWidth") <= 390
    assert len(set(page.run(f"{CARDS}.map(each => each.getBoundingClientRect().left)"))) == 1


# ---- the paper's size


def test_the_papers_25500_answers_open_soon(browser, tmp_path, record_property):
    file = made(tmp_path, with_texts(full_matrix()))
    visit(browser, file)
    waited = int(str(browser.run("document.documentElement.dataset.ready")))
    assert told(browser) == "400 prompts, 25,500 answers"
    record_property("milliseconds to the first row", waited)
    print(f"25,500 answers, {file.stat().st_size / 1e6:.1f} MB: first row after {waited / 1000:.1f} s")
    assert waited < 20_000, "about 1,200 on two cores, which may be busy"
