import pytest

from snake import DEMO, checkout, dry_run, run


@pytest.fixture
def copy(tmp_path):
    """A checkout with the finished miniature, to be spoilt."""
    checkout(tmp_path, "results/demo", ".snakemake/metadata")
    assert not dry_run(*DEMO, "--", "all_figures", directory=tmp_path), "the copy must be as finished as the original"
    return tmp_path


@pytest.fixture(scope="session")
def miniature():
    """All figures of the miniature, in results/demo: made once, if they are not there."""
    if dry_run(*DEMO, "--", "all_figures"):  # a dry run takes no lock, so tests can do this side by side
        run("--", "all_figures")
