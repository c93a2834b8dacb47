"""results.py names what there is of a run, on one screen."""

import subprocess
import sys

import pytest

import tiny

COLUMNS = "judge,claim,part,verdict,whole,statement"
CLAIMS = f"""{COLUMNS}
gpt,budget,Spanish,holds,cannot tell,Downsampled data beat English data.
gpt,budget,Russian,cannot tell,cannot tell,Downsampled data beat English data.
gpt,size,,holds,holds,Scores grow with size.
gpt,lora-multilingual,,does not hold,does not hold,Multilingual tuning beats monolingual tuning.
"""
SUMMARY = (
    "# Results\n\n**A note.**\n\nJudge: gpt\n\n**gpt left out ratings.** See judges.md.\n\n## Scores\n\n**not this**\n"
)


def results(*arguments: str, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, tiny.SCRIPTS / "results.py", *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture
def run(tmp_path):
    """A finished run in a folder of results."""
    folder = tmp_path / "results" / "mine"
    (folder / "figures").mkdir(parents=True)
    for name in ("figure2.pdf", "figure2-column.pdf", "figure2.png", "curves.pdf"):
        (folder / "figures" / name).touch()
    (folder / "summary.md").write_text(SUMMARY)
    (folder / "claims.csv").write_text(CLAIMS)
    (folder / "claims.md").touch()
    return tmp_path


def test_what_there_is_is_named_and_what_is_not_is_not(run):
    said = results(cwd=run).stdout
    assert "results/mine/figures  (curves, figure2)" in said and "answers.html" not in said
    assert "add --report results/mine/report.html to the command of the run" in said
    (run / "results/mine/answers.html").touch()
    (run / "results/mine/report.html").touch()
    said = results(cwd=run).stdout
    assert "results/mine/answers.html" in said and "--report" not in said


def test_notes_and_warnings_come_first(run):
    assert results(cwd=run).stdout.splitlines()[:3] == [
        "results/mine",
        "  A note.",
        "  gpt left out ratings. See judges.md.",
    ]


def test_claims_are_counted_whole_and_the_main_findings_told_in_the_papers_order(run):
    said = results(cwd=run).stdout
    assert "(of the paper's, 1 hold, 1 do not hold, 1 cannot be told)" in said
    assert said.splitlines()[-2:] == [
        "  - does not hold: Multilingual tuning beats monolingual tuning.",
        "  - cannot tell: Downsampled data beat English data.",
    ]


def test_two_judges_are_named_with_their_verdicts(run):
    with (run / "results/mine/claims.csv").open("a") as stream:
        stream.write("llama,budget,,holds,holds,Downsampled data beat English data.\n")
    said = results(cwd=run).stdout
    assert "  - cannot tell (gpt), holds (llama): Downsampled data beat English data." in said
    assert "cannot be told, of 2 judges)" in said


def test_all_runs_are_named_or_those_that_are_asked_for(run):
    (run / "results/other").mkdir()
    (run / "results/other/summary.md").write_text("# Results\n")
    assert results(cwd=run).stdout.count("in one") == 2
    assert results("results/other", cwd=run).stdout.startswith("results/other\n")


def test_where_nothing_has_been_finished_one_line_says_what_to_do(tmp_path):
    said = results(cwd=tmp_path)
    assert (said.returncode, said.stderr) == (
        1,
        "error: results: no run has been finished here; `make demo` makes the first\n",
    )
    said = results("results/demo", cwd=tmp_path)
    assert said.stderr == "error: results/demo/summary.md: not there, so this is no finished run; make `all_figures`\n"
