"""Errors: one line about what the user can fix, in place of a traceback."""

import errno
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(Exception):
    """Something the user can fix; its text is one line that says what is wrong, where, and the remedy."""


class SettingError(InputError):
    """A fault in one setting. `key` is its name; `fault` is worded to follow the name, and ends with the remedy."""

    def __init__(self, key: str, fault: str):
        super().__init__(f"{key} {fault}")
        self.key, self.fault = key, fault


@contextmanager
def setting(key: str) -> Generator[None]:
    """Turn any InputError raised in the block into a SettingError of this setting."""
    try:
        yield
    except InputError as error:
        raise SettingError(key, str(error)) from None


def system_fault(error: OSError) -> str:
    """What the operating system reports about a file, and the remedy, worded to follow the file's name."""
    reason = {errno.ENOENT: "no such file", errno.EISDIR: "is a folder"}.get(error.errno, error.strerror)
    remedies = dict.fromkeys(FULL, "make room and run again") | {
        errno.ENOENT: "make it, or correct its path",
        errno.EISDIR: "give a file",
        errno.ENOTDIR: "correct its path",
        errno.EACCES: "give this user permission to read and write it",
    }
    return f"{reason or error}; {remedies.get(error.errno, 'solve this and run again')}"


@contextmanager
def exit_in_one_line() -> Generator[None]:
    """For what the Snakefile calls, as a decorator or a block: bad input ends Snakemake with just its line, where any
    other exception is shown with a traceback."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")


@contextmanager
def readable(path: Path | str, kind: str, remedy: str) -> Generator[None]:
    """For a block in which a library reads `path`, which should be of a `kind`, such as "a parquet file".

    Whatever the library raises becomes an InputError, one line with the file, the library's reason and the remedy.
    Only errors that are not the file's fault, such as running out of memory, pass through.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except BaseException as error:  # a panic in a Rust library is not an Exception
        if isinstance(error, MemoryError) or "out of memory" in str(error) or getattr(error, "errno", None) in FULL:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not {kind} ({reason}); {remedy}") from None
