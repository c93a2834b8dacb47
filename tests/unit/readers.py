"""Programs that read our exports (envs/readers.lock), in processes of their own. `make unit` installs them; a test that
needs them is skipped where they are not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


VALIDATE = """
import json, sys
from importlib.resources import files
from pathlib import Path

from requests import Response
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester


def get(requester, url, **_):
    response = Response()
    response.url, response.status_code = url, 200 if url == "https://w3id.org/ro/crate/1.1/context" else 504
    response.headers["Content-Type"] = "application/ld+json"
    response._content = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    return response


HttpRequester.get = get
crate, severity, cache = sys.argv[1:]
settings = models.ValidationSettings(
    rocrate_uri=crate,
    profile_identifier="workflow-run-crate",
    requirement_severity=models.Severity[severity],
    offline=True,
    cache_path=Path(cache),
)
result = services.validate(settings)
issues = sorted({f"{issue.check.identifier} {issue.message}" for issue in result.get_issues()})
print(json.dumps({"passed": result.passed(), "checks": len(result.executed_checks), "issues": issues}))
"""


def validated(crate: Path, severity: str, cache: Path) -> dict:
    """What the RO-Crate validator says of a Workflow Run RO-Crate: whether it `passed`, how many `checks` there were,
    and the `issues`. Of the network it is given the context of RO-Crate 1.1, from an older rocrate."""
    printed = run_reader(VALIDATE, crate, severity, cache / "http")
    return json.loads(printed.splitlines()[-1])
