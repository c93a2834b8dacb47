import pytest
from snake import run


@pytest.fixture(scope="session")
def miniature():
    """All figures of the miniature, in results/demo: made once, if they are not there."""
    run("--", "all_figures")
