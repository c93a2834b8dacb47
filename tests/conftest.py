"""The scripts are programs, not a package: their folder is put on the path, as it is when one of them is run. So are
the folders of what the tests share.
"""

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / folder) for folder in ("workflow/scripts", "tests/unit", "tests/workflow")]

from models import language_models  # noqa: E402, F401  sets the number of threads before any test imports torch

SHARED = ("cluster", "unbroken")  # fixtures that many tests use and that take a minute to make


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests that share such a fixture on one worker of pytest-xdist, with --dist loadgroup."""
    for item in items:
        if shared := next((name for name in SHARED if name in getattr(item, "fixturenames", ())), None):
            item.add_marker(pytest.mark.xdist_group(shared))
