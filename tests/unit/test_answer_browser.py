"""The page of answers holds every answer of a score table, once, and is a file that stays small. How a browser shows it
is in tests/workflow/test_answers_in_a_browser.py."""

import base64
import hashlib
import math
import random
import re
import sys

import pytest

from answered import REPOSITORY, answer, data_of, made, run
from data.languages import language_tag, languages_of_labels

sys.path.append(str(REPOSITORY / "benchmarks"))

from synthetic_scores import full_matrix, with_texts

LANGUAGE_TABLE = REPOSITORY / "resources" / "languages.yaml"


def texts(data: dict, table: str, column: str) -> list[str | None]:
    return [None if place is None else data["texts"][place] for place in data[table][column]]


def test_an_answer_is_there_once_with_what_each_judge_says_of_it(tmp_path):
    data = data_of(made(tmp_path, [answer(), answer(judge="bob", rating=3, explanation="Splendid.")]))
    assert texts(data, "answers", "response") == ["An animal."]
    assert data["answers"]["probability"] == [0.988]
    assert data["judges"] == ["ann", "bob"]
    assert data["judgements"]["answer"] == [0, 0]
    assert data["judgements"]["rating"] == data["judgements"]["score"] == [2, 3]
    assert texts(data, "judgements", "explanation") == ["It is right.", "Splendid."]


def test_a_text_that_occurs_often_is_kept_once(tmp_path):
    data = data_of(made(tmp_path, [answer(), answer(model="bloom-m"), answer(id="dog")]))
    assert data["texts"] == ["What is a cat, in en?", "An animal.", "It is right.", "What is a dog, in en?"]


def test_what_is_not_known_stays_unknown(tmp_path):
    unknown = answer(rating=None, explanation=None, label=None, seed=None, ratings=[None], match=False)
    data = data_of(made(tmp_path, [unknown]))
    assert data["judgements"]["rating"] == data["judgements"]["score"] == data["judgements"]["explanation"] == [None]
    assert data["answers"]["found"] == data["answers"]["seed"] == [None]


def test_repeats_of_a_rating_are_there_where_there_are_several(tmp_path):
    data = data_of(made(tmp_path, [answer(rating=2.5, ratings=[2, 3]), answer(id="dog")]))
    assert data["judgements"]["ratings"] == [[2, 3], None]


def test_trainings_with_other_seeds_are_answers_of_their_own(tmp_path):
    data = data_of(made(tmp_path, [answer(seed=43, response="A pet."), answer()]))
    assert data["answers"]["seed"] == [42, 43]
    assert texts(data, "answers", "response") == ["An animal.", "A pet."]


def test_a_prompt_has_its_english_wording_unless_it_is_english_or_there_is_none(tmp_path):
    data = data_of(made(tmp_path, [answer("es", "own"), answer("es"), answer()]))
    assert data["prompts"]["id"] == ["cat", "own", "cat"]
    assert texts(data, "prompts", "english") == [None, None, "What is a cat, in en?"]


def test_everything_is_in_the_order_and_has_the_names_of_figures_and_tables(tmp_path):
    runs = [("full", "bloom-m", "downsampled"), ("lora", "bloom-m", "mono-es"), ("lora", "bloom-s", "multilingual")]
    rows = [
        answer(lang, id, method=method, model=model, recipe=recipe)
        for method, model, recipe in runs
        for lang in ("es", "en")
        for id in ("dog", "cat")
    ]
    data = data_of(made(tmp_path, rows))
    assert data["languages"] == [["en", "English"], ["es", "Spanish"]]
    assert data["prompts"]["id"] == ["dog", "cat"] * 2, "as in the files of the prompts"
    assert [name for _, name in data["models"]] == ["BLOOM 560M", "BLOOM 1.1B"]
    assert data["methods"] == [["lora", "LoRA"], ["full", "Full-parameter"]]
    assert [name for _, name in data["recipes"]] == ["Monolingual (Spanish)", "Multilingual", "Downsampled"]
    assert data["answers"]["model"][:3] == [0, 1, 1] and data["answers"]["method"][:3] == [0, 0, 1]


def test_a_label_has_the_name_of_its_language_and_a_tag_with_its_script(tmp_path):
    data = data_of(made(tmp_path, [answer("zh"), answer("zh", "dog", label="zho_Hant"), answer("zh", "x", label="?")]))
    assert data["found"] == [["Chinese", "zh-Hans"], ["Chinese", "zh-Hant"], ["?", None]]


def test_the_labels_of_another_identifier_are_named_by_its_own_table(tmp_path):
    (tmp_path / "labels.yaml").write_text("normalise: none\nlabels: {en: [ENGLISH], xx: [SIGNS]}\n")
    named = languages_of_labels(LANGUAGE_TABLE, tmp_path / "labels.yaml")
    assert {label: language.name for label, language in named.items()} == {"ENGLISH": "English", "SIGNS": "xx"}
    assert languages_of_labels(LANGUAGE_TABLE, None)["zho_Hant"] == ("zh", "Chinese")


@pytest.mark.parametrize(
    ("label", "code", "tag"), [("ben_Beng", "bn", "bn-Beng"), ("ks_Deva", "ks-Deva", "ks-Deva"), ("en", "en", "en")]
)
def test_a_tag_is_that_of_bcp_47(label, code, tag):
    assert language_tag(label, code) == tag


def test_title_and_note_are_text(tmp_path):
    page = made(tmp_path, [answer()], "--title", "<b>$title", "--note=</p><script>$data").read_text(encoding="utf-8")
    assert page.count("<script") == 2 and "<title>&lt;b&gt;$title</title>" in page
    assert "&lt;/p&gt;&lt;script&gt;$data" in page


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(tmp_path):
    page = made(tmp_path, [answer()]).read_text(encoding="utf-8")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    sources = re.findall(r"<style>(.*?)</style>|<script>(.*?)</script>", page, flags=re.DOTALL)
    style, script = (base64.b64encode(hashlib.sha256(max(source).encode()).digest()).decode() for source in sources)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none';"
        " form-action 'none'"
    )


def test_the_same_scores_make_the_same_bytes(tmp_path):
    rows = [answer("es"), answer()]
    assert made(tmp_path, rows).read_bytes() == made(tmp_path, rows).read_bytes()


def test_each_language_has_a_page_of_its_own_for_the_report(tmp_path):
    made(tmp_path, [answer(), answer("es")], "--title", "Answers: x")
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["English.html", "Spanish.html"]
    spanish = tmp_path / "pages" / "Spanish.html"
    assert "<h1>Answers: x, Spanish</h1>" in spanish.read_text(encoding="utf-8")
    assert texts(data_of(spanish), "prompts", "english") == ["What is a cat, in en?"], "of a prompt on another page"


def test_a_page_of_a_language_that_would_be_too_large_is_several_with_a_part_of_its_prompts_each(tmp_path):
    noise = random.Random(1)
    rows = [answer(id=f"{id}", response=noise.randbytes(5000).hex()) for id in range(5)]
    made(tmp_path, rows, "--small", "40000")
    pages = sorted((tmp_path / "pages").iterdir())
    assert [path.name for path in pages] == ["English 1.html", "English 2.html", "English 3.html"]
    assert [data_of(path)["prompts"]["id"] for path in pages] == [["0", "1"], ["2"], ["3", "4"]]
    assert all(path.stat().st_size <= 40_000 for path in pages)


def test_where_one_page_would_be_too_large_it_lists_the_pages_of_the_languages(tmp_path):
    page = made(tmp_path, [answer(), answer("es")], "--most", "20000")
    assert '<a href="pages/Spanish.html">Spanish</a>' in page.read_text(encoding="utf-8")


def test_the_papers_25500_answers_are_one_page_below_30_mb_and_pages_that_a_data_url_can_hold(tmp_path):
    scores = with_texts(full_matrix())
    assert scores["response"].str.len_chars().mean() > 350, "no study of short answers"
    page = made(tmp_path, scores)
    assert len(data_of(page)["answers"]["prompt"]) == 25_500
    assert 5e6 < page.stat().st_size < 30e6
    small = list((tmp_path / "pages").iterdir())
    assert sum(len(data_of(path)["answers"]["prompt"]) for path in small) == 25_500
    assert max(4 * math.ceil(path.stat().st_size / 3) for path in small) < 2**21 - 100, "base64, and what precedes it"


def test_a_table_without_explanations_is_refused(tmp_path):
    row = answer()
    del row["explanation"]
    done = run(tmp_path, [row | {"seed": 42}])
    assert done.returncode == 1 and "the column 'explanation' is missing; make it again with score.py" in done.stderr
