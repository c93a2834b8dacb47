"""The code of a finished study is edited: jobs are planned for programs that now behave differently, and no others."""

import re
from collections import Counter

import pytest

import edits
from edits import change
from small import Checkout

pytestmark = pytest.mark.demo

# The rules that make files from scores.parquet, with their numbers of jobs; the pages show the tables.
FROM_SCORES = Counter(
    {"answer_browser": 1, "budget": 1, "claims": 1, "language_table": 1, "score_table": 1, "table2": 1}
    | {f"page_{name}": 1 for name in ("claims", "table2", "scores", "languages")}
)
FROM_SCORES_OF_A_RUN = FROM_SCORES + Counter({"score": 3, "collect_scores": 1, "figure": 2, "summary": 1})
FROM_MODELS = FROM_SCORES_OF_A_RUN + Counter(
    {"respond": 3, "judge": 3, "judge_report": 1, "langid": 3, "costs": 1, "page_judges": 1, "page_costs": 1}
)


@pytest.fixture
def finished(unbroken, tmp_path) -> Checkout:
    """A copy, as finished as the original: tests in which a change plans no job, or these and no others, show it."""
    return unbroken.copy(tmp_path / "checkout")


def planned(checkout: Checkout, target: str = "all_figures") -> Counter:
    """The number of jobs of each rule that Snakemake would run, without the target itself, which does nothing."""
    said = checkout.run("--dry-run", "--", target)
    assert said.returncode == 0, said.stdout[-3000:]
    table = re.search(r"^Job stats:\n.*?\n-.*?\n(.*?)^total", said.stdout, flags=re.MULTILINE | re.DOTALL)
    rows = [line.split() for line in table[1].splitlines()] if table else []
    return Counter({rule: int(count) for rule, count in rows if rule != target})


def test_comments_docstrings_and_unused_helpers_in_every_file_plan_no_job(finished):
    for path in (finished.folder / "workflow" / "scripts").rglob("*.py"):
        edits.edit(path)
    assert not planned(finished)


def test_a_module_that_moves_plans_no_job(finished):
    scripts = finished.folder / "workflow" / "scripts"
    (scripts / "training" / "steps.py").rename(scripts / "models" / "steps.py")
    for path in scripts.rglob("*.py"):
        path.write_text(
            path.read_text(encoding="utf-8").replace("from training.steps import", "from models.steps import")
        )
    assert not planned(finished)


CHANGES = {
    "plotting": (
        ("reporting/drawing.py", "RESOLUTION = 300", "RESOLUTION = 200"),
        Counter(figure=2, budget=1, curves=1, summary=1),
    ),
    "scoring": (
        ("answering/language_confusion.py", "MIN_WORDS = 5", "MIN_WORDS = 6"),
        FROM_SCORES_OF_A_RUN + Counter(langid=3),
    ),
    "training": (
        ("training/labelled_loss.py", "CHUNK = 2**25", "CHUNK = 2**24"),
        FROM_MODELS + Counter(train=3, curves=1),
    ),
}


@pytest.mark.parametrize(("edit", "jobs"), CHANGES.values(), ids=CHANGES)
def test_a_changed_constant_plans_the_jobs_that_depend_on_it(finished, edit, jobs):
    module, old, new = edit
    change(finished.folder / "workflow" / "scripts" / module, old, new)
    assert planned(finished) == jobs


def test_translations_that_come_out_the_same_start_no_training(finished):
    """Snakemake plans everything after a job before it knows what the job makes, so the data are made first."""
    change(finished.folder / "workflow/scripts/flag_translation.py", "BATCH = 1000", "BATCH = 500")
    assert planned(finished)["train"] == 2, "all but the training on English"
    assert planned(finished, "all_tokens") == {"flag_translation": 1, "recipe": 1, "tokenize": 1}
    finished.finish("--", "all_tokens")
    assert not planned(finished)


def test_tokens_that_come_out_the_same_start_no_training(finished):
    """Tokens are a folder, which Snakemake knows only by its date; its checksums are a file beside it."""
    change(
        finished.folder / "workflow/scripts/tokenize_recipe.py",
        '"train", "validation")',
        '"train", "validation", )[:2]',
    )
    assert planned(finished)["train"] == 3
    finished.finish("--", "all_tokens")
    assert not planned(finished)


def test_a_user_can_say_that_two_versions_are_the_same(finished):
    change(finished.folder / "workflow/scripts/training/labelled_loss.py", "CHUNK = 2**25", "CHUNK = 2**24")
    finished.finish("--touch", "--", "all_figures")
    assert not planned(finished)
