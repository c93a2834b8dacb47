"""Ratings by people: a sheet of sampled answers goes out, comes back filled in, and becomes files of ratings."""

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import human_ratings
import rating_sheet
from basics.errors import InputError
from basics.reading import read_jsonl
from judging.sheets import Answer, as_cell, digest, read_sheet, write_sheet

RUNS = [f"{method}/tiny/{recipe}" for method in ("lora", "full") for recipe in ("mono-es", "multilingual")]
LANGUAGES = {"es": "¿Cuál es la capital?", "zh": "首都是哪里？", "no": "Hva er hovedstaden?"}
PROMPTS = 10


def program(module, *arguments) -> str:
    """Run a program; what it said, with its error if it failed."""
    command = [sys.executable, module.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True).stderr


def response(run, lang, id) -> str:
    return f"{run[0].upper()} {run[-3:]}: {LANGUAGES[lang]} {id}, más texto para que no sea corto."


def responses(folder, runs=RUNS, text=response) -> list[Path]:
    """Files of responses as respond.py writes them."""
    files = []
    for run in runs:
        path = folder / "responses" / f"{run}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {"lang": lang, "id": str(id), "prompt": f"{prompt} {id}", "response": text(run, lang, id)}
            for lang, prompt in LANGUAGES.items()
            for id in range(PROMPTS)
        ]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        files.append(path)
    return files


def make_sheet(folder, files, rows=60, languages=tuple(LANGUAGES), seed=1) -> tuple[Path, Path, str]:
    """A sheet, its key, and what the program said."""
    sheet, key = folder / "sheet.csv", folder / "key.jsonl"
    options = ["--rows", rows, "--languages", *languages, "--seed", seed, "--sheet", sheet, "--key", key]
    return sheet, key, program(rating_sheet, "--responses", *files, *options)


def rows_of(sheet: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"), newline="")))


def save(path: Path, rows: list[dict], delimiter=",", encoding="utf-8-sig") -> Path:
    """Write a sheet as a spreadsheet does."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[list[Path], Path, Path]:
    """Files of responses, and a sheet of 60 of them with its key."""
    folder = tmp_path_factory.mktemp("study")
    files = responses(folder)
    return files, *make_sheet(folder, files)[:2]


# --- the sheet that goes out -----------------------------------------------------------------------------------------


def test_the_sheet_has_the_columns_that_a_person_needs_and_nothing_of_the_models(study):
    _, sheet, _ = study
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf"), "by which a spreadsheet knows UTF-8"
    rows = rows_of(sheet)
    assert list(rows[0]) == ["sheet id", "language", "prompt", "response", "rating", "comment"]
    assert [row["sheet id"] for row in rows] == [str(number) for number in range(1, 61)]
    assert {row["rating"] + row["comment"] for row in rows} == {""}
    assert not any(word in sheet.read_text(encoding="utf-8-sig") for word in ("lora", "mono-es", "tiny"))


def test_languages_prompts_and_runs_are_drawn_evenly_and_shuffled(study):
    _, sheet, key = study
    known = read_jsonl(key)
    assert Counter(row["lang"] for row in known) == dict.fromkeys(LANGUAGES, 20)
    assert set(Counter((row["lang"], row["id"]) for row in known).values()) == {2}
    assert set(Counter(row["run"] for row in known).values()) == {15}
    order = [row["language"] for row in rows_of(sheet)]
    assert sum(one != two for one, two in pairwise(order)) > 20, "not language by language"


def test_the_key_leads_from_each_row_to_its_response(study):
    _, sheet, key = study
    for row, known in zip(rows_of(sheet), read_jsonl(key), strict=True):
        text = response(known["run"], known["lang"], known["id"])
        assert (row["sheet id"], row["language"], row["response"]) == (known["sheet id"], known["lang"], text)


def test_equal_seeds_draw_equal_sheets_whatever_the_order_of_the_files_and_another_seed_another(study, tmp_path):
    files, sheet, key = study
    again, its_key, _ = make_sheet(tmp_path, files[::-1])
    assert (again.read_bytes(), its_key.read_bytes()) == (sheet.read_bytes(), key.read_bytes())
    other, _, _ = make_sheet(tmp_path, files, seed=2)
    assert other.read_bytes() != sheet.read_bytes()


def test_an_answer_that_several_models_give_is_rated_once(tmp_path):
    files = responses(tmp_path, text=lambda run, lang, id: f"the same of all models to {lang} {id}, every time")
    sheet, _, _ = make_sheet(tmp_path, files, rows=30)
    assert set(Counter(row["response"] for row in rows_of(sheet)).values()) == {1}


def test_a_language_with_too_few_answers_is_one_line(tmp_path):
    sheet, _, said = make_sheet(tmp_path, responses(tmp_path), rows=200)
    assert said == "error: --rows 200: 67 of them in 'es', which has 40 different answers; ask for fewer\n"
    assert not sheet.exists()


HARD = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "\t=1", "  =1", "'quoted'", "''", "'=1", "007", "1/2", "3 May", "May 5"),
    *("TRUE", "1e5", "a;b,c\td", 'say "no"', "two\nlines", "two\r\nlines\r", "- a list\n- of two", "", " ", "\u2028"),
    *("नमस्ते", "你好", "مرحبا", "🙂", '=HYPERLINK("http://x";"y")'),
]


@pytest.mark.parametrize("text", HARD, ids=[ascii(text) for text in HARD])
def test_no_cell_is_taken_for_a_formula_a_date_or_a_number_and_all_come_back(text, tmp_path):
    assert_comes_back(text, tmp_path)
    cell = as_cell(text)
    assert cell == "" or cell[0].isalpha() or cell[0] == "'"
    assert cell[:1] == "'" or not any(letter.isdigit() for letter in cell) or len(cell) > 30


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text, tmp_path_factory):
    assert_comes_back(text, tmp_path_factory.mktemp("text"))


def assert_comes_back(text, folder):
    """A response is known again with the apostrophe and without the one that a spreadsheet drops."""
    sheet, key = folder / "sheet.csv", folder / "key.jsonl"
    write_sheet(sheet, key, [Answer("lora/m/r", "es", "7", text, text)])
    [row] = rows_of(sheet)
    for cell in (row["response"], row["response"].removeprefix("'")):
        save(sheet, [row | {"response": cell, "rating": "2"}])
        assert read_sheet(sheet, key)["lora/m/r", "es", "7"].digest == digest(text)


# --- the sheet that comes back ---------------------------------------------------------------------------------------


def filled(study, **cells) -> list[dict]:
    """The rows of the sheet with ratings 1, 2, 3, 1, ..., but for every fourth; `cells` change the second row."""
    rows = rows_of(study[1])
    for number, row in enumerate(rows):
        row["rating"] = "" if number % 4 == 3 else str(number % 3 + 1)
    rows[0]["comment"] = "Good, but long."
    rows[1] |= {name.replace("_", " "): cell for name, cell in cells.items()}
    return rows


def rate(study, sheet, folder, files=None) -> tuple[Path, str]:
    """The folder of ratings that the program makes of a sheet, and what it said."""
    files, output = files or study[0], folder / "ratings" / "ann"
    return output, program(
        human_ratings, "--sheet", sheet, "--key", study[2], "--responses", *files, "--output", output
    )


def test_ratings_are_files_like_those_of_a_judge_with_null_where_there_is_none(study, tmp_path):
    output, said = rate(study, save(tmp_path / "mine.csv", filled(study)), tmp_path)
    assert said == "human ratings: 45, 0 of them of runs that are not asked for\n"
    known = {(row["run"], row["lang"], row["id"]): int(row["sheet id"]) - 1 for row in read_jsonl(study[2])}
    rated = 0
    for run in RUNS:
        rows = read_jsonl(output / f"{run}.jsonl")
        assert [(row["lang"], row["id"]) for row in rows] == [(lang, str(id)) for lang in LANGUAGES for id in range(10)]
        for row in rows:
            number = known.get((run, row["lang"], row["id"]), 3)
            assert row["rating"] == (None if number % 4 == 3 else number % 3 + 1)
            assert row["explanation"] == ("Good, but long." if number == 0 else "")
            assert (row["repeat"], row["model"], sum(row["usage"].values())) == (1, None, 0)
            rated += row["rating"] is not None
    assert rated == 45


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (";", "utf-16")]
)
def test_a_sheet_is_read_as_spreadsheets_save_it(study, delimiter, encoding, tmp_path):
    rows = [*filled(study, rating="2,0"), dict.fromkeys(filled(study)[0], "")]  # an empty row at the end
    sheet = save(tmp_path / "mine.csv", [row | {"my notes": ""} for row in rows[::-1]], delimiter, encoding)
    assert len(read_sheet(sheet, study[2])) == 45


OFF_THE_SCALE = "has the rating {!r}, which is not 1, 2 or 3; correct it, or empty the cell"
MISTAKES = {
    "a rating off the scale": ({"rating": "4"}, OFF_THE_SCALE.format("4")),
    "a rating in words": ({"rating": "good"}, OFF_THE_SCALE.format("good")),
    "half a rating": ({"rating": "2.5"}, OFF_THE_SCALE.format("2.5")),
    "an id that is none": (
        {"sheet_id": "61"},
        "is not in KEY; give the key that was written with this sheet, or correct the id",
    ),
    "an id that another row has": ({"sheet_id": "1"}, "occurs twice; keep one of the two rows"),
    "a response that was changed": (
        {"response": "Another."},
        "has another response than KEY; copy it from the sheet as it was written, with its own id",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_row_is_one_line_that_names_it(study, mistake, tmp_path):
    cells, expected = MISTAKES[mistake]
    sheet = save(tmp_path / "mine.csv", filled(study, **cells))
    output, said = rate(study, sheet, tmp_path)
    named = cells.get("sheet_id", "2")
    assert said == f"error: {sheet}, row 3: the sheet id {named!r} {expected.replace('KEY', str(study[2]))}\n"
    assert not output.exists()


def test_the_sheet_as_it_went_out_has_nothing_to_read(study):
    with pytest.raises(InputError, match="no response has a rating; fill in the column rating with 1, 2 or 3"):
        read_sheet(study[1], study[2])


def test_a_file_in_latin_1_and_one_without_the_first_row_are_one_line(study, tmp_path):
    latin = tmp_path / "latin.csv"
    latin.write_bytes("sheet id;language;response;rating;comment\r\n1;es;¿Qué?;2;\r\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.csv, line 2: not UTF-8; save the sheet as CSV UTF-8"):
        read_sheet(latin, study[2])
    headless = tmp_path / "headless.csv"
    headless.write_text("1,es,¿Qué?,Nada.,2,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row 1: the column 'sheet id' is missing; keep the first row of the sheet"):
        read_sheet(headless, study[2])


def test_answers_that_were_made_again_since_are_one_line(study, tmp_path):
    files = responses(tmp_path, text=lambda run, lang, id: "Something else, made by a model that was trained again.")
    sheet = save(tmp_path / "mine.csv", filled(study))
    output, said = rate(study, sheet, tmp_path, files)
    assert said.startswith(f"error: {sheet}: rates a response to lang ") and said.count("\n") == 1
    assert "which was made again since; have a new sheet filled in, or take that file back" in said
    assert not output.exists()


def test_ratings_of_runs_that_are_not_asked_for_are_left_out_and_counted(study, tmp_path):
    output, said = rate(study, save(tmp_path / "mine.csv", filled(study)), tmp_path, study[0][:2])
    given = sum(row["rating"] is not None for path in output.rglob("*.jsonl") for row in read_jsonl(path))
    assert said == f"human ratings: 45, {45 - given} of them of runs that are not asked for\n" and 0 < given < 45
