"""Reading, writing and failing: what every script of the workflow does alike.

Outputs are written beside their place and renamed into it, so that a killed job never leaves half a file in it; what
it leaves beside it, the next one removes. Bad input raises InputError, which `command_line` prints as one line before
it exits with status 1.
"""

import csv
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
import types
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_origin

from alone import hold_log

if TYPE_CHECKING:
    import polars as pl

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Kind = type | types.UnionType | Mapping  # of a field: str, int | None, list[str], dict[str, float], {"a": int}, ...
Fields = Iterable[str] | Mapping[str, Kind | None]  # names, or names with the kind that each must be (None: any)
KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")  # what JSON may write, and UTF-8 cannot


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
        sys.exit(f"error: {error.filename}: {system_fault(error)}")


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
def readable(path: Path | str, kind: str, remedy: str) -> Iterator[None]:
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


def kind_fault(value: object, kind: Kind | None) -> str | None:
    """What keeps a value from being of a kind, in words that follow its name; None if nothing does."""
    if isinstance(kind, Mapping):
        fault = fields_fault(value, kind) if isinstance(value, Mapping) else None
        return f"is not whole: {fault}" if fault else kind_fault(value, dict)
    kinds = kinds_of(kind)
    if kind is None or any(_is_of(value, each) for each in kinds):
        return None
    for each in kinds:
        if get_origin(each) and isinstance(value, get_origin(each)):
            items = value.values() if isinstance(value, Mapping) else value
            fault = next(fault for item in items if (fault := kind_fault(item, get_args(each)[-1])))
            return f"has something that {fault}"
    named = " or ".join(KINDS[get_origin(each) or each] for each in kinds)
    return f"is {KINDS.get(type(value), type(value).__name__)}, not {named}"


def kinds_of(kind: Kind | None) -> tuple[type, ...]:
    """The kinds that a union allows."""
    return get_args(kind) if isinstance(kind, types.UnionType) else (kind,)


def _is_of(value: object, kind: type) -> bool:
    """Whether a value is of one kind; a whole number is a number too, and true is neither."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float))
    if not isinstance(value, get_origin(kind) or kind):
        return False
    items = (value.values() if isinstance(value, Mapping) else value) if get_origin(kind) else ()
    return all(kind_fault(item, get_args(kind)[-1]) is None for item in items)


def fields_fault(value: Mapping, fields: Fields) -> str | None:
    """What keeps an object from having the fields, in words that begin with the name of the first one at fault."""
    kinds = fields if isinstance(fields, Mapping) else dict.fromkeys(fields)
    for name, kind in kinds.items():
        if name not in value:
            return f"{name!r} is missing"
        if fault := kind_fault(value[name], kind):
            return f"{name!r} {fault}"
    return None


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
        elif written.is_dir():
            path.unlink(missing_ok=True)  # nor over a file
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


def write_parquet(path: Path | str, table: "pl.DataFrame") -> None:
    """Write a table whole or not at all. By way of memory: of a full disk polars tells nothing that can be read."""
    data = io.BytesIO()
    table.write_parquet(data)
    write_bytes(path, data.getvalue())


def write_json(path: Path | str, value: object) -> None:
    """Write one JSON document, keys sorted and indented, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def read_bytes(path: Path | str) -> bytes:
    """A file's bytes. Raises InputError naming it when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {system_fault(error)}") from None


def read_text(path: Path | str) -> str:
    """Text in UTF-8. Raises InputError naming the file when it cannot be read or is in another encoding."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None


def parse_json(text: str | bytes) -> object:
    """JSON. Raises JSONDecodeError alone, also for what is nested too deeply and for a number of too many digits."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError(type(error).__name__, "", 0) from None


def read_json(path: Path | str, fields: Fields | None = None, remedy: str = "make it again") -> object:
    """Read one JSON document; with `fields`, an object that has these.

    Raises InputError naming the file and the place or key of the fault, with the remedy for a file that was made.
    """
    text = read_text(path)
    try:
        value = parse_json(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON ({error}); {remedy}") from None
    if fields is None:
        return value
    if fault := kind_fault(value, dict):
        raise InputError(f"{path}: {fault}; {remedy}")
    if fault := fields_fault(value, fields):
        raise InputError(f"{path}: the key {fault}; {remedy}")
    return value


def read_yaml(path: Path | str, fields: Fields | None = None) -> object:
    """Read one YAML document; with `fields`, a mapping that has these. Raises InputError naming the file, and the line
    or key of the fault."""
    import yaml

    text = read_text(path)
    with readable(path, "valid YAML", "mend it"):
        value = yaml.safe_load(text)
    if fields is not None:
        if not isinstance(value, dict):
            raise InputError(f"{path}: holds no mapping of keys; mend it")
        if fault := fields_fault(value, fields):
            raise InputError(f"{path}: the key {fault}; mend it")
    return value


def read_csv(path: Path | str, columns: Mapping[str, type], remedy: str) -> list[dict]:
    """The rows of a table with a header: of `columns` text or, for float, numbers, None where the cell is empty.

    Raises InputError naming the file, and the line or column of the fault.
    """
    found, text = [], read_text(path)
    if not text.endswith("\n"):
        raise InputError(f"{path}: is empty, or ends within a line; {remedy}")
    with readable(path, "a table of comma-separated values", remedy):
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise InputError(f"{path}: the column {missing[0]!r} is missing; {remedy}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise InputError(f"{where}: has not as many cells as the header; {remedy}")
            for column in [column for column, kind in columns.items() if kind is float]:
                try:
                    row[column] = float(row[column]) if row[column] else None
                except ValueError:
                    raise InputError(f"{where}: the {column} {row[column]!r} is no number; {remedy}") from None
            found.append(row)
    if not found:
        raise InputError(f"{path}: no rows; {remedy}")
    return found


def read_parquet(path: Path | str, columns: Fields, remedy: str) -> "pl.DataFrame":
    """A parquet table that has rows, and `columns` of the kinds that are asked for.

    Raises InputError naming the file and the column at fault.
    """
    import polars as pl

    kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder; give a file")  # polars would put together what is in it
    with readable(path, "a parquet file", remedy):
        table = pl.read_parquet(path)
    for name, kind in kinds.items():
        if name not in table.columns:
            raise InputError(f"{path}: the column {name!r} is missing; {remedy}")
        kinds, found = kinds_of(kind), table.schema[name]
        fits = {
            str: found == pl.String,
            int: found.is_integer(),
            float: found.is_numeric(),
            bool: found == pl.Boolean,
            list: found.is_nested(),
            type(None): found == pl.Null,
        }
        if kind is not None and not any(fits[each] for each in kinds):
            named = " or ".join(KINDS[each] for each in kinds)
            raise InputError(f"{path}: the column {name!r} is {found}, not {named}; {remedy}")
        if kind is not None and type(None) not in kinds and table[name].null_count():
            raise InputError(f"{path}: the column {name!r} lacks a value in a row; {remedy}")
    if table.is_empty():
        raise InputError(f"{path}: no rows; {remedy}")
    return table


def write_jsonl(path: Path | str, rows: Iterable[dict]) -> None:
    """Write one JSON object a line, keys in the order given, whole file or nothing."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def iter_jsonl(path: Path | str, fields: Fields = ()) -> Iterator[dict]:
    """Read one JSON object a line, a line at a time; blank lines are passed over, CRLF is accepted.

    Raises InputError naming file and line when a line is not UTF-8, not a JSON object, holds text that cannot be
    written, or lacks one of `fields`.
    """
    try:
        # Bytes, whose lines end at \n alone: U+2028 may stand inside a string.
        stream = Path(path).open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise InputError(f"{path}: {system_fault(error)}") from None
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = parse_json(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number}: not UTF-8; save the file as UTF-8") from None
            except json.JSONDecodeError as error:
                fault = f"not valid JSON ({error.msg}, column {error.colno})"
                raise InputError(f"{path}, line {number}: {fault}; mend the file, or make it again") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}; mend it")
            if fault := fields_fault(row, fields):
                raise InputError(f"{path}, line {number}: the field {fault}; mend the file, or make it again")
            if HALF_A_PAIR.search(line) and text_fault(json.dumps(row, ensure_ascii=False)):
                at_fault = next((name for name, value in row.items() if text_fault(str(value))), "a name")
                fault = f"the field {at_fault!r} holds half a surrogate pair"
                raise InputError(f"{path}, line {number}: {fault}; mend it")
            yield row


def read_jsonl(path: Path | str, fields: Fields = (), empty: str | None = None) -> list[dict]:
    """All rows of `iter_jsonl`, as a list. With `empty`, which says what the file should hold, it must hold some."""
    rows = list(iter_jsonl(path, fields))
    if empty and not rows:
        raise InputError(f"{path}: there are no {empty} in it; make it again")
    return rows


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
