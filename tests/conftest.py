"""The scripts are programs, not a package: their folder goes on the path as it does when one is run. So does the
folder of what the tests share."""

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / folder) for folder in ("workflow/scripts", "tests/unit", "tests/workflow")]

from models import language_models  # noqa: E402, F401  settles the number of threads, before any test imports torch

SHARED = ("cluster", "unbroken")  # fixtures of many tests that take a minute to make


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests that share such a fixture to one worker of pytest-xdist, with --dist loadgroup."""
    for item in items:
        if shared := next((name for name in SHARED if name in getattr(item, "fixturenames", ())), None):
            item.add_marker(pytest.mark.xdist_group(shared))
