"""Programs that read our exports (envs/readers.lock), in processes of their own. `make unit` installs them; a test that
needs them is skipped where they are not installed."""

import os
import subprocess
import sys

import pytest

from basics.paths import REPOSITORY

FOLDER = REPOSITORY / ".venv-readers"
readers = pytest.mark.skipif(
    not (FOLDER / "alpaca_eval").is_dir(), reason=f"the packages of envs/readers.lock are not in {FOLDER.name}"
)


def run_reader(script: str, *arguments: object, **environment: str) -> str:
    """What a script prints that may import the readers, with its `arguments`."""
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    variables = os.environ | {"PYTHONPATH": str(FOLDER)} | environment
    done = subprocess.run(command, env=variables, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout
