"""Reading, writing and failing: what every script of the workflow does alike.

Outputs are written beside their place and renamed into it, so that a killed job never leaves half a file in it; what
it leaves beside it, the next one removes. Bad input raises InputError, which `command_line` prints as one line before
it exits with status 1.
"""

import errno
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alone import hold_log

if TYPE_CHECKING:
    import polars

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(Exception):
    """Something the user can mend; its text is one line that names what, where, and the remedy."""


def command_line(main: Callable[[], None]) -> None:
    """Run a script's `main`; bad input, or a file that cannot be read or written, ends it with one line, status 1.

    A job that still runs from before, and writes the same log, is waited for.
    """
    hold_log()
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except sqlite3.OperationalError as error:
        sys.exit(
            f"error: temporary database: {error}; make room where SQLITE_TMPDIR points, or else TMPDIR, and run again"
        )
    except OSError as error:
        if not error.filename:
            raise
        remedy = "; make room and run again" if error.errno in FULL else ""
        sys.exit(f"error: {error.filename}: {error.strerror or error}{remedy}")


def language_file(argument: str) -> tuple[str, Path]:
    """Split CODE=FILE, an option of several scripts; the `type` of an argparse argument."""
    code, separator, path = argument.partition("=")
    if not (code and separator and path):
        raise ArgumentTypeError(f"{argument!r} is not CODE=FILE, as in es=prompts/es.jsonl")
    return code, Path(path)


def positive(argument: str) -> int:
    """A number of at least 1; the `type` of an argparse argument."""
    if int(argument) < 1:
        raise ArgumentTypeError("must be at least 1")
    return int(argument)


def _let_read(path: Path) -> None:
    """Give files the mode that this user's umask asks for: safetensors writes its own for the owner alone, and those of
    a shared folder are for the group as well."""
    umask = os.umask(0)
    os.umask(umask)
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        file.chmod(file.stat().st_mode | (0o666 & ~umask))


def _lock(folder: Path) -> int | None:
    """Descriptor that holds a folder until it is closed, or its process ends; None where another holds it, or it is
    gone, or the file system has no locks."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _workspace(path: Path) -> tuple[Path, int | None]:
    """A new folder beside `path`, and what holds it. Those of processes that were killed are removed: a kill leaves
    whole models there."""
    for left in path.parent.iterdir():
        if re.fullmatch(rf"\.{re.escape(path.name)}\.\w{{8}}", left.name) and (lock := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    while True:
        workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        lock = _lock(workspace)
        if workspace.exists():  # else another process removed it before it was held
            return workspace, lock


@contextmanager
def beside(path: Path | str) -> Iterator[Path]:
    """Yield a path next to `path` to write to; on success it is renamed into place.

    The temporary path does not exist yet and may become a file or a directory. On failure it is removed and
    whatever stood at `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace, lock = _workspace(path)
    written = workspace / path.name
    try:
        yield written
        _let_read(written)
        if path.is_dir() and not path.is_symlink():
            os.replace(path, workspace / ".before")  # a directory cannot be renamed over one that holds files
        os.replace(written, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write does not know its file
        raise
    except Exception as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):  # as libraries written in Rust tell of it
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write a file whole or not at all."""
    with beside(path) as written:
        written.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_parquet(path: Path | str, table: "polars.DataFrame") -> None:
    """Write a table whole or not at all. By way of memory: of a full disk polars tells nothing that can be read."""
    data = io.BytesIO()
    table.write_parquet(data)
    write_bytes(path, data.getvalue())


def write_json(path: Path | str, value: object) -> None:
    """Write one JSON document, keys sorted and indented, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def read_json(path: Path | str) -> object:
    """Read one JSON document. Raises InputError naming the file and the place of the fault."""
    try:
        return json.loads(Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


def write_jsonl(path: Path | str, rows: Iterable[dict]) -> None:
    """Write one JSON object a line, keys in the order given, whole file or nothing."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def iter_jsonl(path: Path | str, fields: Iterable[str] = ()) -> Iterator[dict]:
    """Read one JSON object a line, a line at a time; blank lines are passed over, CRLF is accepted.

    Raises InputError naming file and line when a line is not UTF-8, not a JSON object, or lacks one of `fields`.
    """
    try:
        # Bytes, whose lines end at \n alone: U+2028 may stand inside a string.
        stream = Path(path).open("rb")  # noqa: SIM115  closed below
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number}: not UTF-8; save the file as UTF-8") from None
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not valid JSON ({error.msg}, column {error.colno})") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}")
            missing = [field for field in fields if field not in row]
            if missing:
                raise InputError(f"{path}, line {number}: the field {missing[0]!r} is missing")
            yield row


def read_jsonl(path: Path | str, fields: Iterable[str] = ()) -> list[dict]:
    """All rows of `iter_jsonl`, as a list."""
    return list(iter_jsonl(path, fields))


def text_fault(value: object) -> str | None:
    """What keeps a value from being text that can be written, in words that follow its name; None for sound text."""
    if not isinstance(value, str):
        return "is missing or is not text"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return None


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):  # hashlib.file_digest is not in 3.10, which Bergamot needs
            digest.update(block)
    return digest.hexdigest()
