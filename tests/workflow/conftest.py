from pathlib import Path

import pytest

from browser import Browser
from snake import DEMO, checkout, dry_run, run


def copied(folder: Path) -> Path:
    return checkout(folder, "results/demo", ".snakemake/metadata")


@pytest.fixture(scope="session")
def copies_are_finished(miniature, tmp_path_factory):
    """A copy of the miniature is as finished as the original: seen once, because each look takes seconds."""
    assert not dry_run(*DEMO, "--", "all_figures", directory=copied(tmp_path_factory.mktemp("copy")))


@pytest.fixture
def copy(copies_are_finished, tmp_path):
    """A checkout with the finished miniature, to be spoilt."""
    return copied(tmp_path)


@pytest.fixture(scope="session")
def miniature():
    """All figures of the miniature, in results/demo: made once, if they are not there."""
    if dry_run(*DEMO, "--", "all_figures"):  # a dry run takes no lock, so tests can do this side by side
        run("--", "all_figures")


@pytest.fixture(scope="module")
def browser():
    """A real browser, for the pages of a module."""
    with Browser() as started:
        yield started
