"""A page of the report: how a browser shows and sorts it is in tests/workflow/test_tables_in_a_browser.py."""

import re
import subprocess
import sys
from pathlib import Path

import page
from reporting.markdown import markdown_table

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = REPOSITORY / "resources" / "pages"
ROWS = [
    {"method": "LoRA", "model": "BLOOM 1.1B", "score": "10", "remark": "long **and** bold"},
    {"method": "LoRA", "model": "BLOOM 560M", "score": "–", "remark": ""},
    {"method": "all", "model": "", "score": "10", "remark": "of 2"},
]


def html(rows: list[dict] = ROWS) -> str:
    return page.page(f"# Title\n\n{markdown_table(rows, right=['score'])}\n", "A & B", PARTS)


def attributes(text: str) -> list[str]:
    """Those of the cells below the head."""
    return re.findall(r"<td ?([^>]*)>", text)


def test_a_cell_has_its_rank_in_its_column_and_one_without_a_value_has_none():
    first, second = attributes(html())[:4], attributes(html())[4:8]
    name, model, score = 'class="name" data-rank="1"', 'class="name" data-rank="{}"', 'class="right"'
    assert first == [name, model.format(1), f'{score} data-rank="0"', 'data-rank="0"']
    assert second == [name, model.format(0), score, ""]


def test_a_row_of_totals_has_no_rank_so_that_it_stays_below():
    assert not re.search("rank", " ".join(attributes(html())[8:]))


def test_cells_are_aligned_by_classes_because_the_policy_forbids_style_attributes():
    assert "style=" not in html()
    assert '<th class="right">score</th>' in html()


def test_the_page_needs_no_other_file_and_runs_no_script_but_its_own():
    text = html()
    assert "<title>A &amp; B</title>" in text
    assert len(re.findall(r"<script", text)) == 1
    assert not re.search(r"(src|href)=", text)
    assert re.search(r"default-src 'none'; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+'; base-uri 'none'", text)


def test_what_looks_like_html_in_the_markdown_is_text():
    assert "&lt;b&gt;" in page.page("<b>bold</b> $title", "title", PARTS)


def test_a_page_without_a_table_is_a_page(tmp_path):
    (tmp_path / "a.md").write_text("Only *words*.\n", encoding="utf-8")
    command = [sys.executable, page.__file__, "--markdown", tmp_path / "a.md", "--title", "a", "--parts", PARTS]
    subprocess.run([*command, "--output", tmp_path / "a.html"], check=True)
    assert "<p>Only <em>words</em>.</p>" in (tmp_path / "a.html").read_text(encoding="utf-8")
