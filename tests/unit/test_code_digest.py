"""A program's digest changes with what the program does, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from basics import code_digest as digests
from edits import change, edit
from tiny import SCRIPTS

PROGRAM = '''
"""Add up."""
import argparse
import sys
from basics.errors import InputError
from room.sums import LIMIT, total
from room import shapes

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="how many")
    rows = parser.parse_args().rows
    if rows > LIMIT:
        raise InputError(f"--rows {rows}: too many; ask for fewer")
    print(f"{rows} rows", file=sys.stderr)
    print(total(rows) * shapes.WIDTH)

if __name__ == "__main__":
    main()
'''
SUMS = '''
"""Sums."""
import os
from math import floor

LIMIT = 10
START = 1
UNUSED = 5
os.environ["THREADS"] = "1"

def total(rows: int) -> int:
    """The sum of the first numbers."""
    return sum(floor(part(row)) for row in range(START, rows))

def part(row):
    return row  # as it is

def unused():
    return UNUSED
'''
SHAPES = "WIDTH = 3 if EMPTY is None else 4\nHEIGHT = 4\nEMPTY = None\n"


def forget() -> None:
    """Clear the caches, so that files are read again."""
    made = (digests.code_digest, digests.module_at, digests._file, digests._imported_names, digests._reach)
    for known in (*made, digests.files_state, digests._read_kept):
        known.cache_clear()


class House:
    """A program and its modules, to be changed."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name, text in {"add.py": PROGRAM, "room/sums.py": SUMS, "room/shapes.py": SHAPES}.items():
            self.write(name, text)
        self.write("room/__init__.py", "")
        self.write("basics/errors.py", "class InputError(Exception):\n    pass\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        change(self.folder / name, old, new)

    def digest(self, *programs: str) -> str:
        forget()
        return digests.code_digest(*(programs or ("add",)))


@pytest.fixture
def house(tmp_path, monkeypatch) -> House:
    monkeypatch.setattr(digests, "SCRIPTS", tmp_path)
    yield House(tmp_path)
    forget()


SAME = {
    "a comment": ("room/sums.py", "START = 1", "START = 1  # not 0"),
    "a docstring": ("room/sums.py", '"""The sum of the first numbers."""', '"""Sum."""'),
    "a new docstring": ("room/sums.py", "def part(row):\n", 'def part(row):\n    """As it is."""\n'),
    "the docstring of a program": ("add.py", '"""Add up."""', '"""Add numbers up."""'),
    "help": ("add.py", 'help="how many"', 'help="number of rows"'),
    "layout": ("room/sums.py", "sum(floor(part(row)) for row", "sum(\n        floor(part(row))\n        for row"),
    "the wording of an error": ("add.py", "too many; ask for fewer", "at most {LIMIT}"),
    "a message on stderr": ("add.py", 'f"{rows} rows"', 'f"{rows} rows read"'),
    "an unused helper": ("room/sums.py", "def unused():", "def helper():\n    return LIMIT\n\ndef unused():"),
    "an unused constant": ("room/sums.py", "UNUSED = 5", "UNUSED = 6"),
    "an unused constant of a module that is used": ("room/shapes.py", "HEIGHT = 4", "HEIGHT = 5"),
    "a type checker's import": ("room/sums.py", "import os", "import os\nif TYPE_CHECKING:\n    import polars"),
}
OTHER = {
    "a constant": ("room/sums.py", "LIMIT = 10", "LIMIT = 11"),
    "a constant that a function uses": ("room/sums.py", "START = 1", "START = 2"),
    "a constant that becomes 0": ("room/sums.py", "START = 1", "START = 0"),
    "a constant that was None and is False": ("room/shapes.py", "EMPTY = None", "EMPTY = False"),
    "a constant of a module": ("room/shapes.py", "WIDTH = 3", "WIDTH = 5"),
    "a function that a function uses": ("room/sums.py", "    return row  # as it is", "    return row + 1"),
    "a default": ("add.py", "type=int, help", "type=int, default=3, help"),
    "what an import does": ("room/sums.py", 'os.environ["THREADS"] = "1"', 'os.environ["THREADS"] = "2"'),
    "another package's function under the same name": ("room/sums.py", "import floor", "import ceil as floor"),
    "what is printed": ("add.py", "print(total(rows) * shapes.WIDTH)", "print(total(rows))"),
    "which constant is used": ("room/sums.py", "range(START, rows)", "range(LIMIT, rows)"),
}


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_what_changes_no_result_does_not_change_the_digest(house, edit):
    before = house.digest()
    house.change(*edit)
    assert house.digest() == before


@pytest.mark.parametrize("edit", OTHER.values(), ids=OTHER)
def test_what_may_change_a_result_changes_the_digest(house, edit):
    before = house.digest()
    house.change(*edit)
    assert house.digest() != before


def test_a_module_may_move_and_so_may_its_functions(house):
    before = house.digest()
    house.write(
        "hall/numbers.py", SUMS.replace("def part(row):\n    return row  # as it is\n", "from room.parts import part\n")
    )
    house.write("room/parts.py", "def part(row):\n    return row\n")
    house.write("hall/__init__.py", "")
    (house.folder / "room" / "sums.py").unlink()
    house.change("add.py", "from room.sums import", "from hall.numbers import")
    assert house.digest() == before


def test_of_two_functions_with_the_same_name_the_imported_one_counts(house):
    house.write("room/other.py", "def part(row):\n    return -row\n")
    before = house.digest()
    house.change("room/sums.py", "def part(row):\n    return row  # as it is\n", "from room.other import part\n")
    assert house.digest() != before


def test_an_import_within_a_function_counts_too(house):
    house.change("room/sums.py", "    return row  # as it is", "    from room.late import late\n    return late(row)")
    house.write("room/late.py", "SHARE = 2\ndef late(row):\n    return row / SHARE\n")
    before = house.digest()
    house.change("room/late.py", "SHARE = 2", "SHARE = 3")
    assert house.digest() != before


def test_a_module_that_is_passed_on_counts_as_a_whole(house):
    house.change("add.py", "shapes.WIDTH", "getattr(shapes, chosen)")
    before = house.digest()
    house.change("room/shapes.py", "HEIGHT = 4", "HEIGHT = 5")
    assert house.digest() != before


def test_two_programs_of_one_job_share_a_digest(house):
    house.write("launch.py", "RANKS = 2\nprint(RANKS)\n")
    before = house.digest("add", "launch")
    assert before not in (house.digest("add"), house.digest("launch"))
    house.change("launch.py", "RANKS = 2", "RANKS = 4")
    assert house.digest("add", "launch") != before


def test_a_digest_is_kept_until_a_file_changes(house, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("run"))
    first = house.digest()
    assert digests.kept_digest("add") == first and digests.KEPT.exists()
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(digests, "code_digest", None)
        assert digests.kept_digest("add") == first, "nothing is read"
    house.change("room/sums.py", "START = 1", "START = 2")
    forget()
    second = digests.kept_digest("add")
    assert second == house.digest() != first
    digests.KEPT.write_text("no JSON")
    forget()
    assert digests.kept_digest("add") == second


def test_where_nothing_can_be_kept_a_digest_is_made_each_time(house, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("run"))
    digests.KEPT.parent.write_text("a file in place of the folder")
    assert digests.kept_digest("add") == house.digest()


def test_a_missing_program_is_named(house):
    with pytest.raises(FileNotFoundError, match="nothing"):
        house.digest("nothing")


def test_in_our_own_programs_and_modules_a_comment_a_docstring_and_an_unused_helper_change_no_digest(house):
    """All files are edited at once: if any of the edits planned a job, it would show."""
    shutil.copytree(SCRIPTS, house.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    programs = sorted(path.stem for path in SCRIPTS.glob("*.py"))
    before = {program: house.digest(program) for program in programs}
    for path in sorted(SCRIPTS.rglob("*.py")):
        edit(house.folder / path.relative_to(SCRIPTS))
    forget()
    assert {program: digests.code_digest(program) for program in programs} == before
