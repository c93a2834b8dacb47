"""The commands on the pages can be given: Snakemake reads them and finds their targets, and make and programs have what
they name. Those of bring-your-own.md and use-a-tuned-model.md are also run, each in the test of that name.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import dropwhile, groupby

import pytest
from snakemake.cli import get_argument_parser

from snake import REPOSITORY, snakemake

PAGES = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("config/*.md")]
PAGES = sorted(page for page in PAGES if page.name != "CHANGELOG.md")
HEADS = sorted([*REPOSITORY.glob("config/**/*.yaml"), *REPOSITORY.glob("profiles/*/*.yaml")])
INDENTED, FENCED = r"(?:^(?: {4,}|#     )\S.*\n)+", r"^```(?:bash|sh)\n(.*?)^```"
VARIABLES = {"CONFIG", "TARGET", "TORCH_INDEX", "BENCH", "TEXTS", "KILLS", "FUZZ_SECONDS"}


def lines() -> Iterator[tuple[str, str]]:
    """Each line of a block of commands, and each command within a sentence, with the name of its page."""
    for page in [*PAGES, *HEADS]:
        text = page.read_text(encoding="utf-8")
        blocks = [block.replace("\n#", "\n").lstrip("#") for block in re.findall(INDENTED, text, flags=re.MULTILINE)]
        blocks += re.findall(FENCED, text, flags=re.MULTILINE | re.DOTALL)
        for block in blocks:
            joined = block.replace("\\\n", " ").replace("$CODE/", "")  # the folder of the code
            yield from ((page.name, line) for line in joined.splitlines())
        if page.suffix == ".md":
            yield from ((page.name, code) for code in re.findall(r"`((?:snakemake|make|python) [^`]+)`", text))


def calls(line: str, program: str) -> Iterator[tuple[str, ...]]:
    """The words after a program's name, for each time that a line calls it, be it within quotes (sbatch --wrap)."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quote that ends on another line, as in Python
        return
    for word in words:
        if word.startswith(f"{program} "):
            yield from calls(word, program)
    for is_end, command in groupby(words, key="&&".__eq__):
        own = dropwhile(re.compile(r"[A-Z_]+=").match, command)  # after what is set for it
        if not is_end and next(own, None) == program:
            yield tuple(own)


def commands(program: str) -> dict[tuple[str, ...], str]:
    """Each different call of a program, with the name of its page."""
    return {words: page for page, line in lines() for words in calls(line, program)}


SNAKEMAKE = commands("snakemake")
PARSER = get_argument_parser()


def parsed(words: tuple[str, ...]):
    """What Snakemake's own parser makes of a command. Raises SystemExit."""
    return PARSER.parse_args([word for word in words if word != "..."])


def test_the_pages_are_read():
    assert len(SNAKEMAKE) > 40 and len(commands("make")) > 30 and len(PAGES) > 12
    assert {"README.md", "cluster.md", "tutorial.md", "running-the-paper.md", "fast.yaml"} <= set(SNAKEMAKE.values())


@pytest.mark.parametrize("words", SNAKEMAKE, ids=" ".join)
def test_snakemake_has_the_options_of_a_command(words):
    arguments = parsed(words)
    files = [f"{profile}/config.yaml" for profile in arguments.profile or ()]
    files += [
        str(file) for file in arguments.configfile or () if not re.match("my|FILE", str(file))
    ]  # the reader's own
    assert all((REPOSITORY / file).exists() for file in files)


@pytest.mark.parametrize("files", [[], ["config/demo.yaml"]], ids=["paper", "miniature"])
def test_a_rule_makes_each_target_of_a_command(files):
    """All of them at once; nothing is run. What presets make is tested in test_dag.py."""
    known = [arguments for arguments in map(parsed, SNAKEMAKE) if list(map(str, arguments.configfile or ())) == files]
    targets = sorted({target for arguments in known for target in arguments.targets or ()})
    assert len(targets) >= 2
    configuration = ["--configfile", *files] if files else []
    said = snakemake("--profile", "profiles/local", "--dry-run", "--quiet", "all", *configuration, "--", *targets)
    assert said.returncode == 0, said.stdout[-2000:]


def test_make_has_the_targets_and_variables_of_a_command():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    for words, page in commands("make").items():
        named = {word for word in words if "=" not in word}
        given = {word.split("=")[0] for word in words if "=" in word}
        assert named <= targets, f"{page}: {words}"
        assert given <= VARIABLES and all(f"$({name}" in makefile for name in given - {"KILLS"}), f"{page}: {words}"


OF_PROGRAMS = {words: page for words, page in commands("python").items() if words[0].startswith("workflow/scripts/")}


@pytest.mark.parametrize("program", sorted({words[0] for words in OF_PROGRAMS}))
def test_a_program_has_the_options_of_a_command(program):
    used = {word for words in OF_PROGRAMS if words[0] == program for word in words[1:] if word.startswith("--")}
    asked = [[program, "--help"], *([program, words[1], "--help"] for words in OF_PROGRAMS if words[0] == program)]
    helps = [
        subprocess.run([sys.executable, *each], cwd=REPOSITORY, capture_output=True, text=True).stdout for each in asked
    ]
    assert all(any(option in text for text in helps) for option in used), used
