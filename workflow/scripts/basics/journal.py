"""An append-only journal for work that is paid for item by item: translated segments, responses, ratings.

Snakemake deletes a job's declared outputs before it runs the job again; a journal is not declared, so a killed
job finds there what it had already done. Each line is one JSON object `{"key": ..., "value": ...}`, on the disk
before the next item is begun; a line that a kill tore is dropped when the journal is next opened. Values stay on
the disk: in memory is only where each of them stands.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from basics.errors import InputError
from basics.locking import hold


class _Place(NamedTuple):
    start: int
    length: int


class Journal:
    """A mapping from item key to JSON value that outlives the process. One writer at a time: a second one waits.

    An entry whose value is not `sound` is passed over as if it were not there, so that its item is done again.

    >>> with Journal(path) as journal:
    ...     if key not in journal:
    ...         journal[key] = expensive()
    """

    def __init__(self, path: Path | str, sound: Callable[[Any], bool] = lambda value: True):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._sound = sound
        self._places: dict[str, _Place] = {}
        self._stream = self.path.open("a+b", buffering=0)
        hold(self._stream, self.path)
        self._end = self._read()
        self._stream.truncate(self._end)

    def _read(self) -> int:
        """Note where each entry stands; return the length in bytes without a torn last line.

        A whole line that is no entry (a disk's fault) is passed over: its item is done again, the others are kept.
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
                    if isinstance(key, str) and self._sound(value):
                        self._places[key] = _Place(end, len(line))
                end += len(line)
        return end

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Any:
        start, length = self._places[key]
        return json.loads(os.pread(self._stream.fileno(), length, start))["value"]

    def __len__(self) -> int:
        return len(self._places)

    def __setitem__(self, key: str, value: object) -> None:
        """Append an entry and wait until it is on the disk. Raises InputError when the disk takes no more."""
        line = json.dumps({"key": key, "value": value}, ensure_ascii=False).encode("utf-8") + b"\n"
        try:
            rest = line
            while rest:  # a disk that fills up takes a part, and complains at the next write
                rest = rest[self._stream.write(rest) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            self._stream.truncate(self._end)
            raise InputError(
                f"{self.path}: cannot write ({error.strerror}); what stands in it is kept: make room and run again"
            ) from None
        self._places[key] = _Place(self._end, len(line))
        self._end += len(line)

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
