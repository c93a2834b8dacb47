"""Every sentence of SECURITY.md is listed in security.yaml with the tests that show it, or with why no test can."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CLAIMS = yaml.safe_load((Path(__file__).parent / "security.yaml").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
RELEASED = yaml.safe_load((REPOSITORY / "resources" / "released-models.yaml").read_text(encoding="utf-8"))


def sentences() -> Iterator[str]:
    """The sentences of SECURITY.md, and the rows of its table; without headings and commands."""
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    for block in re.split(r"\n\n+|\n(?=- |\|)", text):
        if block.startswith(("#", "    ", "| ---", "| what")):
            continue
        if block.startswith("|"):
            yield block
            continue
        yield from re.split(r"(?<=\.) |(?<=\.\*\*) ", " ".join(block.removeprefix("- ").split()))


def test_every_sentence_is_listed_in_its_order():
    assert [claim["says"] for claim in CLAIMS] == list(sentences())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["says"][:60])
def test_a_claim_has_tests_that_are_there_or_a_reason_why_it_has_none(claim):
    assert claim.keys() in ({"says", "shown"}, {"says", "untested"})
    for test in claim.get("shown", []):
        path, _, name = test.partition("::")
        nodes = ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8")))
        assert name in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}, test
    assert claim.get("shown") or claim.get("untested")


def test_some_base_models_and_three_released_ones_name_a_branch():
    assert any(model.get("revision") == "main" for model in CONFIG["models"].values())
    branches = [pin for pin in RELEASED["models"].values() if not re.fullmatch(r"[0-9a-f]{40}", pin["revision"])]
    assert len(branches) == 3 and all(pin["sha256"] for pin in branches)


def test_judges_that_a_preset_serves_name_their_commit():
    files = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "config").rglob("*.yaml")]
    served = [found for text in files for found in re.findall(r"vllm serve\s+([\w.-]+/[\w.-]+)\s([^}]*)", text)]
    assert len(served) >= 2
    assert all(re.match(r"\s*--revision [0-9a-f]{40}\s", options) for _, options in served)


def test_the_commands_of_pip_audit_name_locks_that_are_there():
    named = re.findall(r"--requirement (\S+)", (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8"))
    assert named and all((REPOSITORY / name).is_file() for name in named)
