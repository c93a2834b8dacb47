"""Limits on the length of files and functions, and rule files with nothing but rules: what no linter checks. `make
lint` runs these tests by themselves.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
RULE_FILES = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow").rglob("*.smk"))]
PYTHON = [
    path for folder in ("workflow", "benchmarks", "resources", "tests") for path in REPOSITORY.glob(f"{folder}/**/*.py")
]
MOST_LINES = 150  # of a rule file
LONGEST_LINE = 120  # of a rule file; ruff enforces the same for Python, and snakefmt cannot break a string
LONGEST_FUNCTION = 80  # lines, with its decorators


def lines() -> Iterator[tuple[str, str]]:
    """Each line of the rule files, with its place."""
    for path in RULE_FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            yield f"{path.relative_to(REPOSITORY)}:{number}", line


def functions() -> Iterator[tuple[str, int]]:
    """Each function, with its length in lines."""
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}", node.end_lineno - first + 1


def test_a_rule_file_has_150_lines_at_most():
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in RULE_FILES}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}


def test_a_line_of_a_rule_file_has_120_characters_at_most():
    assert not {place: len(line) for place, line in lines() if len(line) > LONGEST_LINE}


def test_a_rule_file_defines_no_function_as_ruff_and_the_type_checker_would_not_read_it():
    assert not [place for place, line in lines() if re.match(r"\s*(async def|def|class)\s", line)]


def test_a_function_has_80_lines_at_most():
    assert not {place: length for place, length in functions() if length > LONGEST_FUNCTION}


def test_pre_commit_runs_the_commands_of_make_lint():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)[1]
    (local,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    commands = [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]]
    assert commands == re.findall(r"^\t@\$\(ACTIVE\) (.*)$", recipe, flags=re.MULTILINE)
