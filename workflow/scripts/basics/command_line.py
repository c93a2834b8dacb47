"""How every program starts, and argument types that several programs share."""

import sqlite3
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path

from basics.errors import InputError, system_fault
from basics.locking import hold_log


def command_line(main: Callable[[], None]) -> None:
    """Run a script's `main`; on bad input, or a file that cannot be read or written, exit with one line and status 1.

    If an earlier job is still running and writing the same log, wait for it first.
    """
    hold_log()
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except sqlite3.OperationalError as error:
        sys.exit(
            f"error: temporary database: {error}; make room where SQLITE_TMPDIR, or else TMPDIR, points, and run again"
        )
    except OSError as error:
        if not error.filename:
            raise
        sys.exit(f"error: {error.filename}: {system_fault(error)}")


def language_file(argument: str) -> tuple[str, Path]:
    """Split CODE=FILE; the `type` of an argparse argument."""
    code, separator, path = argument.partition("=")
    if not (code and separator and path):
        raise ArgumentTypeError(f"{argument!r} is not CODE=FILE, as in es=prompts/es.jsonl")
    return code, Path(path)


def files_by_language(named: Sequence[tuple[str, Path]], option: str) -> dict[str, Path]:
    """The files by language. Raises InputError for a language that is named twice."""
    files = dict(named)
    if len(files) < len(named):
        codes = [code for code, _ in named]
        twice = next(code for code in codes if codes.count(code) > 1)
        raise InputError(f"{option}: the language {twice} is given twice; give one file for each")
    return files


def judge_file(argument: str) -> tuple[str, Path]:
    """Split JUDGE=FILE; the `type` of an argparse argument."""
    judge, separator, path = argument.partition("=")
    if not (judge and separator and path):
        raise ArgumentTypeError(f"{argument!r} is not JUDGE=FILE, as in gpt=controls/gpt.jsonl")
    return judge, Path(path)


def positive(argument: str) -> int:
    """A whole number of at least 1; the `type` of an argparse argument."""
    if int(argument) < 1:
        raise ArgumentTypeError("must be at least 1")
    return int(argument)
