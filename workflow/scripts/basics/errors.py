"""Failing: one line for what the user can mend, in place of a traceback."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(Exception):
    """Something the user can mend; its text is one line that names what, where, and the remedy."""


class SettingError(InputError):
    """A fault of one setting. `key` is its name; `fault` follows the name, and ends with the remedy."""

    def __init__(self, key: str, fault: str):
        super().__init__(f"{key} {fault}")
        self.key, self.fault = key, fault


@contextmanager
def setting(key: str) -> Generator[None]:
    """Whatever InputError the block raises is the fault of this setting, and becomes a SettingError."""
    try:
        yield
    except InputError as error:
        raise SettingError(key, str(error)) from None


def system_fault(error: OSError) -> str:
    """What the system says against a file, and the remedy, in words that follow its name."""
    said = {errno.ENOENT: "no such file", errno.EISDIR: "is a folder"}.get(error.errno, error.strerror)
    remedies = dict.fromkeys(FULL, "make room and run again") | {
        errno.ENOENT: "make it, or mend its path",
        errno.EISDIR: "give a file",
        errno.ENOTDIR: "mend its path",
        errno.EACCES: "let this user read and write it",
    }
    return f"{said or error}; {remedies.get(error.errno, 'see to it and run again')}"


@contextmanager
def readable(path: Path | str, kind: str, remedy: str) -> Generator[None]:
    """Within the block a library reads `path`, which is to be of a `kind`, such as "a parquet file".

    Whatever the library raises becomes InputError, one line that names the file, the library's reason and the remedy;
    only what is no fault of the file, such as a lack of memory, goes through.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except BaseException as error:  # a panic of a library in Rust is no Exception
        if isinstance(error, MemoryError) or "out of memory" in str(error) or getattr(error, "errno", None) in FULL:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not {kind} ({reason}); {remedy}") from None
