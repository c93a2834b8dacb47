"""The scores of all runs as tables, for a reader, a program and a paper."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

import score_table


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
        | {"rating": rating, "score": 0.0 if rating is None else float(rating)}
        for number, rating in enumerate(ratings)
    ]


ROWS = [
    *rows_of("open_llama", "multilingual", "en", 3, 2, 1),
    *rows_of("open_llama", "multilingual", "es", 2, None, 1),
    *rows_of("open_llama", "mono-es", "es", 2, 2, 2),
    *rows_of("bloom", "multilingual", "es", 1, 1),
]


def make(folder, rows=ROWS, note=""):
    pl.DataFrame(rows, schema_overrides={"rating": pl.Float64}).write_parquet(folder / "scores.parquet")
    arguments = f"--scores {folder}/scores.parquet --output-prefix {folder}/scores --prompts 3 --level 0.95"
    arguments += " --resamples 500 --seed 7 --models bloom open_llama --languages en=English es=Spanish"
    score_table.main([*arguments.split(), "--note", note])
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
    lines = (tmp_path / "scores.md").read_text(encoding="utf-8").splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["LoRA", "bloom", "multilingual", "–", "2*"]
    assert "A star: not all of the prompts were answered." in lines[-1]
    make(tmp_path, rows_of("bloom", "multilingual", "es", 1, 1, None))
    assert "star" not in (tmp_path / "scores.md").read_text(encoding="utf-8")


def test_latex_is_a_booktabs_table_that_may_span_pages(tmp_path):
    make(tmp_path, note="50% & more_of {it} ~ a\\b.")
    text = (tmp_path / "scores.tex").read_text(encoding="utf-8")
    for command in ("\\begin{longtable}{lllrr}", "\\toprule", "\\midrule", "\\bottomrule", "\\label{tab:scores}"):
        assert command in text
    assert (
        "open\\_llama" in text
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
    assert (tmp_path / "scores.md").read_text(encoding="utf-8").startswith("| judge ")
