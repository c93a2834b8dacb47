"""The scores of all runs as tables, for a reader, a program and a paper."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import score_table
from studies import LANGUAGES, paper
from study.matrix import Matrix
from study.recipes import Recipes
from study.selections import Selections

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import synthetic_scores


def selections(config):
    return Selections(config, Matrix(config), Recipes(config), LANGUAGES)


def rows_of(model, recipe, lang, *ratings, judge="judge"):
    return [
        {
            "judge": judge,
            "method": "lora",
            "model": model,
            "recipe": recipe,
            "seed": 42,
            "lang": lang,
            "id": str(number),
        }
        | {"rating": rating, "score": 0.0 if rating is None else float(rating), "code_decides": rating == 3}
        for number, rating in enumerate(ratings)
    ]


ROWS = [
    *rows_of("open_llama", "multilingual", "en", 3, 2, 1),
    *rows_of("open_llama", "multilingual", "es", 2, None, 1),
    *rows_of("open_llama", "mono-es", "es", 2, 2, 2),
    *rows_of("bloom", "multilingual", "es", 1, 1),
]


NAMES = {
    "methods": {"lora": "LoRA"},
    "models": {"bloom": "BLOOM 7.1B", "open_llama": "Open_LLaMA 7B"},
    "families": {"bloom": "BLOOM", "open_llama": "Open_LLaMA"},
    "languages": {"en": "English", "es": "Spanish"},
}


def tables(folder):
    """The tables of the Markdown by their titles, each as its rows of cells."""
    found = {}
    for line in (folder / "scores.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rows = found[line.removeprefix("## ")] = []
        elif line.startswith("|") and "--" not in line:
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def make(folder, rows=ROWS, note=""):
    pl.DataFrame(rows, schema_overrides={"rating": pl.Float64}).write_parquet(folder / "scores.parquet")
    arguments = f"--scores {folder}/scores.parquet --output-prefix {folder}/scores --prompts 3 --level 0.95"
    arguments += " --resamples 500 --seed 7"
    score_table.main([*arguments.split(), "--names", json.dumps(NAMES), "--note", note])
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_csv_has_a_row_per_run_and_language_with_its_interval(tmp_path):
    rows = make(tmp_path)
    assert [(row["model"], row["recipe"], row["lang"], row["score"]) for row in rows] == [
        ("bloom", "multilingual", "es", "2.0"),
        ("open_llama", "mono-es", "es", "6.0"),
        ("open_llama", "multilingual", "en", "6.0"),
        ("open_llama", "multilingual", "es", "3.0"),
    ]
    agreed, varied = rows[1], rows[2]
    assert (agreed["low"], agreed["high"]) == ("6.0", "6.0"), "answers that agree leave nothing uncertain"
    assert 3 <= float(varied["low"]) < 6 < float(varied["high"]) <= 9
    assert rows[3]["unrated"] == "1"


def test_where_answers_are_missing_there_is_a_star_and_no_interval(tmp_path):
    rows = make(tmp_path)
    assert (rows[0]["prompts"], rows[0]["low"], rows[0]["high"]) == ("2", "", "")
    assert tables(tmp_path)["LoRA, BLOOM"] == [["model", "recipe", "Spanish"], ["BLOOM 7.1B", "Multilingual", "2*"]]
    assert "A star: not all of the prompts were answered." in (tmp_path / "scores.md").read_text(encoding="utf-8")
    make(tmp_path, rows_of("bloom", "multilingual", "es", 1, 1, None))
    assert "star" not in (tmp_path / "scores.md").read_text(encoding="utf-8")


def test_answers_of_which_code_decides_the_language_are_counted_once_for_all_judges(tmp_path):
    make(tmp_path, [*ROWS, *rows_of("bloom", "multilingual", "es", 3, 3, judge="other")])
    sentence = "In 1 of 11 answers, whether the language is right depends on whether code counts."
    assert sentence in (tmp_path / "scores.md").read_text(encoding="utf-8")


def test_latex_is_a_booktabs_table_that_may_span_pages(tmp_path):
    make(tmp_path, note="50% & more_of {it} ~ a\\b.")
    text = (tmp_path / "scores.tex").read_text(encoding="utf-8")
    for command in ("\\begin{longtable}{lllrr}", "\\toprule", "\\midrule", "\\bottomrule", "\\label{tab:scores}"):
        assert command in text
    assert (
        "Open\\_LLaMA" in text
        and "50\\% \\& more\\_of \\{it\\} \\textasciitilde{} a\\textbackslash{}b." in text
        and "–" not in text
    )
    assert not re.search(r"(?<!\\)[_#]", re.sub(r"\\label\{.*?\}", "", text)), "what LaTeX would trip over"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX on this machine")
def test_latex_compiles(tmp_path):
    make(tmp_path)
    head = "\\documentclass{article}\\usepackage{booktabs,longtable}\\begin{document}\\input{scores.tex}\\end{document}"
    (tmp_path / "paper.tex").write_text(head)
    subprocess.run(["pdflatex", "-halt-on-error", "paper.tex"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert Path(tmp_path / "paper.pdf").stat().st_size > 1000


def test_judges_have_a_column_where_there_are_several(tmp_path):
    rows = make(tmp_path, [*ROWS, *rows_of("bloom", "multilingual", "es", 3, 3, 3, judge="other")])
    assert [row["judge"] for row in rows] == ["judge"] * 4 + ["other"]
    assert tables(tmp_path)["LoRA, BLOOM"] == [
        ["judge", "model", "recipe", "Spanish"],
        ["judge", "BLOOM 7.1B", "Multilingual", "2*"],
        ["other", "BLOOM 7.1B", "Multilingual", "9"],
    ]


def test_a_row_is_a_series_that_of_monolingual_tuning_has_another_model_in_each_language(tmp_path):
    english = rows_of("bloom", "mono-en", "en", 3, 3, 3)
    rest = [row for lang in ("es", "bn") for row in rows_of("bloom", "mono-en", lang, 1, 0, 0)]
    monolingual = rows_of("bloom", "mono-es", "es", 2, 2, 2)
    downsampled = [row for lang in ("en", "es", "bn") for row in rows_of("bloom", "downsampled", lang, 2, 1, 1)]
    make(tmp_path, [*monolingual, *downsampled, *english, *rest])
    assert tables(tmp_path)["LoRA, BLOOM"] == [
        ["model", "recipe", "English", "Spanish", "bn"],
        ["BLOOM 7.1B", "Monolingual", "9", "6", "–"],
        ["BLOOM 7.1B", "English-only", "9", "1", "1"],
        ["BLOOM 7.1B", "Downsampled", "4", "4", "4"],
    ]
    make(tmp_path, [*monolingual, *english])
    assert [row[1] for row in tables(tmp_path)["LoRA, BLOOM"][1:]] == ["Monolingual"], "English-only has nothing more"
    make(tmp_path, english)
    assert [row[1] for row in tables(tmp_path)["LoRA, BLOOM"][1:]] == ["English-only"]


def test_the_papers_matrix_has_78_rows_and_no_dash_but_those_of_monolingual_tuning_in_unseen_languages(tmp_path):
    names = json.loads(selections(paper()).names())
    lines = score_table.lines_of(
        [
            {"judge": "j", "prompts": 50, "score": 1.0}
            | dict(zip(("method", "model", "recipe", "lang"), cell, strict=True))
            for cell in synthetic_scores.matrix(paper())
        ],
        list(names["models"]),
        50,
    )
    assert len(lines) == 78
    text = score_table.markdown_page(lines, score_table.Names(**names), [])
    titles = [line for line in text.splitlines() if line.startswith("##")]
    assert titles == [
        *(f"## LoRA, {family}" for family in ("Pythia", "BLOOM", "LLaMA", "OpenLLaMA")),
        "## Full-parameter, BLOOM",
    ]
    dashed = [line for line in text.splitlines() if "– " in line]
    assert len(dashed) == 10 and all("Monolingual" in line and line.count("– ") == 2 for line in dashed)
