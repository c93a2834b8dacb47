"""An append-only journal for expensive work done item by item: translated segments, responses, ratings.

Snakemake deletes a job's declared outputs before it runs the job again; a journal is not declared, so a job that
was killed finds there what it had already done. Each line is one JSON object `{"key": ..., "value": ...}`, on disk
before the next item is begun; a line cut off by a kill is dropped when the journal is next opened. Values stay on
disk: memory holds only their positions.
"""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from basics.errors import InputError
from basics.locking import hold


class _Position(NamedTuple):
    start: int
    length: int


class Journal:
    """A mapping from item key to JSON value that outlives the process. One process at a time: a second one waits.

    Its threads may add entries side by side, and then share what takes longest: waiting for the disk.

    An entry whose value is not `sound` is ignored, so that its item is done again; `unsound` are the keys of those that
    have not been done again.

    >>> with Journal(path) as journal:
    ...     if key not in journal:
    ...         journal[key] = expensive()
    """

    def __init__(self, path: Path | str, sound: Callable[[Any], bool] = lambda value: True):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.unsound: set[str] = set()
        self._sound = sound
        self._positions: dict[str, _Position] = {}
        self._writing, self._synced, self._syncing = threading.Lock(), threading.Condition(), False
        self._stream = self.path.open("a+b", buffering=0)
        hold(self._stream, self.path)
        self._end = self._read()
        self._stream.truncate(self._end)
        self._on_disk = self._end

    def _read(self) -> int:
        """Note the position of each entry; return the length in bytes without an incomplete last line.

        A complete line that is not an entry (a disk error) is skipped: its item is done again, the others are kept.
        """
        end = 0
        with self.path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                try:
                    entry = json.loads(line)
                    key, value = entry["key"], entry["value"]
                except (ValueError, KeyError, TypeError, RecursionError):
                    pass
                else:
                    if isinstance(key, str):
                        self._note(key, value, _Position(end, len(line)))
                end += len(line)
        return end

    def _note(self, key: str, value: object, position: _Position) -> None:
        if self._sound(value):
            self._positions[key] = position
            self.unsound.discard(key)
        elif key not in self._positions:
            self.unsound.add(key)

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __getitem__(self, key: str) -> Any:
        start, length = self._positions[key]
        return json.loads(os.pread(self._stream.fileno(), length, start))["value"]

    def __len__(self) -> int:
        return len(self._positions)

    def __setitem__(self, key: str, value: object) -> None:
        """Append an entry and wait until it is on disk. Raises InputError when it cannot be written."""
        line = json.dumps({"key": key, "value": value}, ensure_ascii=False).encode("utf-8") + b"\n"
        try:
            with self._writing:
                self._append(line)
                self._positions[key] = _Position(self._end, len(line))
                self._end = end = self._end + len(line)
            self._sync(end)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot write ({error.strerror}); its entries are kept: make room and run again"
            ) from None

    def _append(self, line: bytes) -> None:
        try:
            rest = line
            while rest:  # a disk that fills up accepts a part, and fails at the next write
                rest = rest[self._stream.write(rest) :]
        except OSError:
            self._stream.truncate(self._end)
            raise

    def _sync(self, end: int) -> None:
        """Wait until the file is on disk as far as `end`. One thread at a time sees to that, for all that have written
        before it began."""
        with self._synced:
            self._synced.wait_for(lambda: self._on_disk >= end or not self._syncing)
            if self._on_disk >= end:
                return
            self._syncing, written = True, self._end
        try:
            os.fsync(self._stream.fileno())
        except OSError:
            written = 0
            raise
        finally:
            with self._synced:
                self._syncing, self._on_disk = False, max(self._on_disk, written)
                self._synced.notify_all()

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
