"""Targets of a command line that no rule makes, told with the name that was meant."""

import difflib
import itertools
import sys
from collections.abc import Iterable
from pathlib import Path

LIKE = 0.75  # of 1, how much two names must have in common


def check_targets_or_exit(workflow, code: Path, names: Iterable[str]) -> None:
    """For a target that no rule of a Snakemake workflow makes, exit with one line that names what was meant, if that is
    clear from `names`, the names of the rules, and the folders in which these put their outputs.

    Another workflow that takes the one in the folder `code` for a module has targets of its own. Snakemake (9.27) has
    read its rules before it tells them the targets, so these are what the command line has after `--`, as in all our
    pages.
    """
    if code.resolve() not in Path(str(workflow.main_snakefile)).resolve().parents:
        return
    rules = {rule.name for rule in workflow.rules}
    for target in itertools.islice(itertools.dropwhile("--".__ne__, sys.argv), 1, None):
        if target in rules or Path(target).exists() or any(rule.is_producer(target) for rule in workflow.rules):
            continue
        folders = {part for rule in workflow.rules for output in rule.output for part in Path(str(output)).parts}
        known = [*names, *rules, *(part for part in folders if "{" not in part)]
        meant = "/".join(nearest(part, known) for part in target.split("/"))
        if meant != target:
            sys.exit(f"error: {target}: no rule makes this; did you mean {meant}?")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one, or this one if none is much like it. A file keeps its suffix."""
    suffix = Path(name).suffix
    stem = name.removesuffix(suffix)
    if stem in known or name in known:
        return name
    found = difflib.get_close_matches(stem, known, n=1, cutoff=LIKE)
    return found[0] + suffix if found else name
