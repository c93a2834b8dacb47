"""Writing whole files: next to their destination, then renamed into place.

A job that is killed never leaves half a file at the destination; what it leaves next to it, the next job removes.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from basics.locking import lock_folder


def _apply_umask(path: Path) -> None:
    """Give files the mode that this user's umask asks for: safetensors makes its files readable by their owner only,
    and those in a shared folder are for the group as well."""
    umask = os.umask(0)
    os.umask(umask)
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        file.chmod(file.stat().st_mode | (0o666 & ~umask))


def _workspace(path: Path) -> tuple[Path, int | None]:
    """A new folder next to `path`, and the descriptor of its lock. Folders of processes that were killed are removed:
    whole models may be left in them."""
    for left in path.parent.iterdir():
        if re.fullmatch(rf"\.{re.escape(path.name)}\.\w{{8}}", left.name) and (lock := lock_folder(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    while True:
        workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        lock = lock_folder(workspace)
        if workspace.exists():  # else another process removed it before it was locked
            return workspace, lock


@contextmanager
def beside(path: Path | str) -> Generator[Path]:
    """Yield a path next to `path` to write to; on success it is renamed into place.

    The temporary path does not exist yet and may become a file or a directory. On failure it is removed, and
    whatever was at `path` is left unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace, lock = _workspace(path)
    written = workspace / path.name
    try:
        yield written
        _apply_umask(written)
        if path.is_dir() and not path.is_symlink():
            os.replace(path, workspace / ".before")  # a directory cannot be renamed over a non-empty one
        elif written.is_dir():
            path.unlink(missing_ok=True)  # nor over a file
        os.replace(written, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write does not say which file
        raise
    except Exception as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):  # how libraries written in Rust report it
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
    """Write UTF-8 text with Unix line endings, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: object) -> None:
    """Write one JSON document, keys sorted and indented, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def write_jsonl(path: Path | str, rows: Iterable[dict]) -> None:
    """Write one JSON object per line, keys in the order given, whole or not at all."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
