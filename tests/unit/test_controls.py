"""Planted controls: the shipped set, the responses made from it, and what is said of judges that rated them.

Five judges of a known kind are asked over HTTP by judge.py itself; judges.md must say of each what it is.
"""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

import controls
import judge_report
import summary
from basics.errors import InputError
from basics.paths import REPOSITORY
from basics.reading import read_jsonl
from judge_endpoint import Endpoint
from judging.controls import BAD, GOOD, VERBOSE, control_rows, cut_short, read_set
from real_parts import LID176, real_parts
from reporting.controls import control_row, failures, judge_sentences
from reporting.controls import control_rows as numbers_of
from studies import miniature, paper
from study.controls import Controls, check_controls
from study.matrix import Matrix

SCRIPTS = REPOSITORY / "workflow" / "scripts"
SHIPPED = REPOSITORY / "resources" / "controls"
LANGUAGES = paper()["languages"]["seen"] + paper()["languages"]["unseen"]
SCRIPT_OF = {"bg": "CYRILLIC", "ru": "CYRILLIC", "zh": "CJK", "bn": "BENGALI"}  # of the other languages: LATIN
SET = read_set({lang: SHIPPED / f"{lang}.jsonl" for lang in LANGUAGES})

# ---- the shipped set


def test_the_shipped_set_has_ten_prompts_in_every_test_language_of_the_paper():
    assert sorted(path.stem for path in SHIPPED.glob("*.jsonl")) == sorted(LANGUAGES)
    assert {lang: len(texts) for lang, texts in SET.items()} == dict.fromkeys(LANGUAGES, 10)


def test_no_text_of_the_shipped_set_occurs_twice():
    texts = Counter(text for of_language in SET.values() for row in of_language for text in row[1:])
    assert not [text for text, times in texts.items() if times > 1]


def test_a_verbose_answer_is_at_least_twice_as_long_as_the_plain_one_except_for_the_story():
    ratios = {(lang, row.id): len(row.verbose) / len(row.answer) for lang, rows in SET.items() for row in rows}
    assert min(ratio for (_, id), ratio in ratios.items() if id != "cat-sea") >= 2
    assert min(ratios.values()) > 1.5


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_are_in_the_script_of_their_language(lang):
    for row in SET[lang]:
        for text in row[1:]:
            letters = [unicodedata.name(letter, "").split()[0] for letter in text if letter.isalpha()]
            assert set(letters) <= {SCRIPT_OF.get(lang, "LATIN")}, (row.id, text)


@real_parts
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_real_identifier_finds_the_language_of_every_prompt_with_its_answers(lang):
    """One by one, it takes short Norwegian texts for Danish."""
    import fasttext

    identifier = fasttext.load_model(str(LID176))
    found = {row.id: identifier.predict(" ".join(row[1:]).replace("\n", " "))[0][0] for row in SET[lang]}
    assert found == dict.fromkeys(found, f"__label__{lang}")


# ---- the responses


def rows_by_kind(lang: str) -> dict[str, list[dict]]:
    kinds: dict[str, list[dict]] = {}
    for row in control_rows(SET):
        if row["lang"] == lang:
            kinds.setdefault(row["id"].split("/")[0], []).append(row)
    return kinds


def test_each_prompt_has_two_good_responses_and_one_of_each_bad_kind():
    kinds = rows_by_kind("zh")
    assert list(kinds) == [GOOD, VERBOSE, *BAD]
    answers = [text.answer for text in SET["zh"]]
    made = {kind: [row["response"] for row in rows] for kind, rows in kinds.items()}
    assert made["good"] == answers
    assert made["verbose"] == [text.verbose for text in SET["zh"]]
    assert made["wrong-language"] == [text.answer for text in SET["en"]], "English, as in Table 2 of the paper"
    assert made["other-prompt"] == [*answers[1:], answers[0]]
    assert made["empty"] == [""] * 10
    assert made["repeated"] == [row["prompt"] for row in kinds["repeated"]]
    assert all(whole.startswith(cut) and cut for cut, whole in zip(made["cut"], answers, strict=True))


def test_an_english_prompt_is_answered_in_the_second_language():
    assert [row["response"] for row in rows_by_kind("en")["wrong-language"]] == [text.answer for text in SET["es"]]


def test_one_language_alone_has_no_wrong_language():
    assert not [row for row in control_rows({"en": SET["en"]}) if row["id"].startswith("wrong-language")]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("one two three four five six", "one two"),
        ("one two three four", "one"),
        ("阳光由各种颜色的光混合而成。", "阳光由各"),
        ("কি কি কি", "কি"),
        ("নিনিনিনিনিনি", "নিনি"),
        ("1. 每天在同一时间", "1."),
        ("ab", "a"),
    ],
)
def test_a_text_is_cut_after_a_third_of_what_a_reader_calls_characters_and_tears_no_word(text, cut):
    assert cut_short(text) == cut


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def text(id: str, **changes: str) -> dict:
    return {"id": id, "prompt": f"{id}?", "answer": f"{id}.", "verbose": f"Well, {id}."} | changes


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([text("a")], "1 prompts, and an answer to another prompt needs two; add some"),
        ([text("a"), text("b", answer=" ")], "id 'b': 'answer' is empty; write it"),
        ([text("a"), text("a")], "the id 'a' occurs twice, or contains a slash; give it another"),
        ([text("a"), text("b/c")], "the id 'b/c' occurs twice, or contains a slash; give it another"),
        ([text("b"), text("a")], "the ids are not those of .*en.jsonl, in that order; make them the same"),
        ([{"id": "a"}], "line 1: the field 'prompt' is missing"),
    ],
)
def test_a_set_that_is_wrong_is_named_in_one_line(tmp_path, rows, line):
    files = {"en": write(tmp_path / "en.jsonl", text("a"), text("b")), "es": write(tmp_path / "es.jsonl", *rows)}
    with pytest.raises(InputError, match=f"es.jsonl.*{line}"):
        read_set(files)


# ---- the configuration


def test_controls_are_in_the_test_languages_that_have_a_file(tmp_path):
    for lang in ("en", "bn", "cs"):
        write(tmp_path / f"{lang}.jsonl", text("a"), text("b"))
    study = paper(controls=f"{tmp_path}/{{lang}}.jsonl")
    found = Controls(study, Matrix(study))
    assert list(found.files) == ["en", "bn"], "Czech is not tested"
    assert found.ratings == ["<results>/controls/qwen3-30b.jsonl"]
    check_controls(study)


def test_without_controls_nothing_is_rated():
    study = paper(controls=None)
    assert (Controls(study, Matrix(study)).files, Controls(study, Matrix(study)).ratings) == ({}, [])
    check_controls(study)


def test_the_miniature_has_controls_that_its_judge_knows():
    study = miniature()
    assert list(Controls(study, Matrix(study)).files) == ["en", "es", "bg", "zh", "bn", "no"]
    known = {row["prompt"] for row in read_jsonl(REPOSITORY / "resources" / "demo" / "references.jsonl")}
    for path in Controls(study, Matrix(study)).files.values():
        assert {row["prompt"] for row in read_jsonl(REPOSITORY / path)} <= known


def test_a_path_without_any_file_is_refused():
    with pytest.raises(InputError, match=r"config: controls: no/{lang}.jsonl names no file in any of en, es, .*null"):
        check_controls(paper(controls="no/{lang}.jsonl"))


# ---- the numbers


def rated(*prompts: dict[str, int | None], judge: str = "j", lang: str = "en") -> pl.DataFrame:
    """Ratings as judge_report.py reads them, from the ratings by kind of each prompt."""
    rows = [
        {"judge": judge, "lang": lang, "id": f"{kind}/{number}", "repeat": 1, "rating": rating}
        for number, kinds in enumerate(prompts)
        for kind, rating in kinds.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"rating": pl.Int8})


def test_a_pair_counts_if_the_good_one_is_above_and_half_if_equal_or_missing():
    row = control_row(
        "j",
        "",
        rated(
            {"good": 3, "empty": 1, "cut": 3},
            {"good": 2, "empty": 2, "cut": 3},
            {"good": None, "empty": 1, "cut": 1},
            {"good": 3, "empty": None, "cut": 1},
        ),
    )
    assert row["good above empty"] == (1 + 0.5 + 0.5 + 0.5) / 4
    assert row["good above cut"] == (0.5 + 0 + 0.5 + 1) / 4
    assert (row["missing"], row["good above repeated"]) == (2, None), "that kind was not planted"


def test_the_interval_is_over_prompts_so_repeats_and_languages_do_not_narrow_it():
    once = [{"good": 3, "empty": worth} for worth in (1, 1, 3, 1, 3, 1, 1, 1, 3, 1)]
    narrow = control_row("j", "", rated(*once))
    many = pl.concat([rated(*once, lang=lang) for lang in ("en", "es", "zh")])
    names = ("good above empty", "good above empty from", "good above empty to")
    assert [control_row("j", "", many)[name] for name in names] == [narrow[name] for name in names]
    assert narrow["good above empty from"] < narrow["good above empty"] < narrow["good above empty to"]


def test_a_language_that_cannot_be_told_is_named_where_the_others_hide_it():
    told, blind = {"good": 3, "wrong-language": 1}, {"good": 3, "wrong-language": 3}
    tables = [rated(*[told] * 10, lang=lang) for lang in ("en", "es", "zh")] + [rated(*[blind] * 10, lang="bn")]
    whole, *by_language = numbers_of(pl.concat(tables), ["en", "es", "zh", "bn"])
    assert whole["good above wrong-language"] == 0.875
    assert failures(whole, by_language) == ["the same answer in the wrong language in bn"]


def words_on(*prompts: dict[str, int | None]) -> str:
    [line] = judge_sentences(numbers_of(rated(*prompts), ["en"]))
    return line.removeprefix("- **j**: ")


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"good": None, "verbose": None, "empty": None}, "It gave no control a rating."),
        (
            {"good": 3, "verbose": 2, "empty": 1},
            "It tells good answers from all kinds of bad ones. It marks down length: it rates a longer answer below the"
            " plain one (100%).",
        ),
        (
            {"good": 3, "verbose": 3, "empty": 1, "cut": 3},
            "It does not reliably rate a good answer above one that is cut short (50%).",
        ),
    ],
)
def test_a_judge_is_described_in_plain_words(kinds, words):
    assert words_on(*[kinds] * 10).startswith(words)


# ---- five judges

TEMPLATE = REPOSITORY / "resources" / "templates" / "judge.txt"
PARTS = re.compile(r".*\[User instruction\]\n(.*)\n\n\[AI assistant’s response\]\n(.*)", re.DOTALL)
ASKED = ["en", "es", "zh"]
WORTH = {row.prompt: (row.id, {row.answer, row.verbose}) for lang in ASKED for row in SET[lang]}
ANYWHERE = {row.id: {text for lang in ASKED for text in SET[lang][place][2:]} for place, row in enumerate(SET["en"])}


def by_dice(instruction: str, response: str) -> int:
    return int(hashlib.sha256(f"{instruction} {response}".encode()).hexdigest(), 16) % 3 + 1


def by_rubric(instruction: str, response: str) -> int:
    return 3 if response in WORTH[instruction][1] else 1


def by_rubric_in_any_language(instruction: str, response: str) -> int:
    return 3 if response in ANYWHERE[WORTH[instruction][0]] else 1


def by_length(instruction: str, response: str) -> int:
    return 1 + (len(response.encode()) > 60) + (len(response.encode()) > 300)


JUDGES = {
    "random": (by_dice, "It is no better than chance: it tells good answers from no kind of bad ones."),
    "constant": (
        lambda *_: 2,
        "It rates everything alike: all controls have the same rating. It leans to the template",
    ),
    "rubric": (by_rubric, "It tells good answers from all kinds of bad ones."),
    "blind": (by_rubric_in_any_language, "It is blind to the language: it tells good answers from all kinds of bad"),
    "length": (by_length, "It prefers length: it rates a longer answer, no better, above the plain one (100%)."),
}


def run(program: str, *arguments: object) -> None:
    environment = os.environ | {"OPENAI_API_KEY": "sk-none"}
    command = [sys.executable, SCRIPTS / f"{program}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def rate(folder: Path, name: str, responses: Path, output: Path) -> str:
    """Have judge.py rate responses by one of the five; the argument JUDGE=FILE."""
    rule = JUDGES[name][0]

    def said(prompt: str, number: int) -> tuple:
        return 200, {}, f"Rating: [[{rule(*PARTS.fullmatch(prompt).groups())}]]"

    with Endpoint(said) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        judge = folder / f"{name}.json"
        judge.write_text(json.dumps({"name": name, "model": "m", "base_url": server.url}))
        options = ["--template", TEMPLATE, "--judge", judge, "--journal", folder / f"{output.parent}.journal"]
        output.parent.mkdir(parents=True, exist_ok=True)
        run("judge", "--responses", responses, *options, "--output", output)
        server.shutdown()
    return f"{name}={output}"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The folder of a report on the five judges. Two runs answered: one in short, one at length."""
    folder = tmp_path_factory.mktemp("controls")
    run("controls", "--texts", *(f"{lang}={SHIPPED / lang}.jsonl" for lang in ASKED), "--output", folder / "c.jsonl")
    answered = {}
    for kind in (GOOD, VERBOSE):
        answered[kind] = folder / "responses" / "lora" / "m" / f"{kind}.jsonl"
        answered[kind].parent.mkdir(parents=True, exist_ok=True)
        rows = [row for row in read_jsonl(folder / "c.jsonl") if row["id"].startswith(kind)]
        write(answered[kind], *(row | {"id": row["id"].split("/")[1]} for row in rows))
    planted = [rate(folder, name, folder / "c.jsonl", folder / "planted" / name / "x.jsonl") for name in JUDGES]
    rated = [
        rate(folder, name, path, folder / "ratings" / name / "lora" / "m" / path.name)
        for name in JUDGES
        for path in answered.values()
    ]
    options = ["--responses", *answered.values(), "--languages", *ASKED, "bn", "--output-prefix", folder / "judges"]
    run("control_report", "--controls", *planted, "--languages", *ASKED, "bn", "--output", folder / "report.md")
    run("judge_report", "--ratings", *rated, "--controls", *planted, *options)
    return folder


@pytest.fixture(scope="module")
def numbers(report) -> dict[tuple[str, ...], str]:
    with (report / "judges.csv").open(encoding="utf-8", newline="") as stream:
        return {
            (row["table"], row["judge"], row["language"], row["measure"]): row["value"]
            for row in csv.DictReader(stream)
        }


@pytest.mark.parametrize("name", JUDGES)
def test_the_report_says_of_each_judge_what_it_is(report, name):
    page = (report / "judges.md").read_text(encoding="utf-8")
    [line] = [line for line in page.splitlines() if line.startswith(f"- **{name}**: ")]
    assert JUDGES[name][1] in line
    others = {judge: words for judge, (_, words) in JUDGES.items() if judge != name}
    assert not [judge for judge, words in others.items() if words in line]
    if name == "rubric":
        assert line == "- **rubric**: It tells good answers from all kinds of bad ones."


def test_the_page_before_any_training_says_the_same_of_controls(report):
    section = (report / "report.md").read_text(encoding="utf-8")
    assert section.startswith("## Controls\n") and "- **blind**: It is blind to the language" in section
    assert section.strip() in (report / "judges.md").read_text(encoding="utf-8")


def test_the_summary_warns_of_every_judge_but_the_one_with_a_rubric(report):
    said = summary.judge_warnings(summary.read_judge_report(str(report / "judges.csv")))
    assert [re.match(r"\*\*The judge (\w+) cannot tell good answers from bad ones: ", line)[1] for line in said] == [
        "random",
        "constant",
        "blind",
        "length",
    ]
    assert said[2] == (
        "**The judge blind cannot tell good answers from bad ones: it does not reliably rate a good answer above the"
        " same answer in the wrong language (50%).** See judges.md."
    )


def test_the_wrong_language_rated_3_is_a_number_by_language(numbers):
    for lang in ("", *ASKED):
        assert numbers["controls", "blind", lang, "wrong-language rated 3"] == "1.0"
        assert numbers["controls", "rubric", lang, "wrong-language rated 3"] == "0.0"


def test_the_five_rated_every_control_also_the_empty_one(numbers):
    for name in JUDGES:
        assert numbers["controls", name, "", "ratings"] == str(len(ASKED) * 10 * 7)
        assert numbers["controls", name, "", "missing"] == "0"


def test_the_slope_on_length_is_that_of_the_studys_own_responses(numbers, report):
    slopes = {name: float(numbers["length", name, "", "slope"]) for name in JUDGES}
    assert (slopes["constant"], slopes["rubric"]) == (0, 0), "both answers are good"
    assert float(numbers["length", "length", "", "slope from"]) > 0.2
    assert "## Length" in (report / "judges.md").read_text(encoding="utf-8")


def test_languages_without_controls_are_named(report):
    assert "There are no controls in bn: `controls` names no file for them." in (report / "judges.md").read_text()


def test_the_calls_for_controls_are_counted_as_costs(numbers):
    assert numbers["cost", "rubric", "", "attempts"] == str(len(ASKED) * 10 * (7 + 2))


def test_ratings_of_something_else_are_refused(tmp_path, report):
    rated = report / "ratings" / "rubric" / "lora" / "m" / "good.jsonl"
    command = [sys.executable, judge_report.__file__, "--ratings", f"j={rated}", "--controls", f"j={rated}"]
    done = subprocess.run([*command, "--output-prefix", tmp_path / "o"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "error: --controls: lang en, id sky-blue is not a control" in done.stderr


def test_ratings_without_their_responses_are_refused(tmp_path, report):
    rated = report / "ratings" / "rubric" / "lora" / "m" / "good.jsonl"
    other = report / "responses" / "lora" / "m" / "verbose.jsonl"
    command = [sys.executable, judge_report.__file__, "--ratings", f"j={rated}", "--responses", other]
    done = subprocess.run([*command, "--output-prefix", tmp_path / "o"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: --responses: no response of lora/m/good, lang en, id sky-blue; give the file of each rated run\n"
    )


def test_a_language_is_given_with_its_file():
    done = subprocess.run(
        [sys.executable, controls.__file__, "--texts", "en.jsonl", "--output", "o"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "'en.jsonl' is not CODE=FILE" in done.stderr
