"""An append-only journal for work that is paid for item by item: translated segments, responses, ratings.

Snakemake deletes a job's declared outputs before it runs the job again; a journal is not declared, so a killed
job finds there what it had already done. Each line is one JSON object `{"key": ..., "value": ...}`, flushed as
it is written; a line that a kill tore is dropped when the journal is next opened.
"""

import hashlib
import json
import os
from pathlib import Path


def item_key(**determinants: object) -> str:
    """Hash of everything that determines an item's value (model, settings, text, ...), as 32 hex digits."""
    canonical = json.dumps(determinants, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:32]


class Journal:
    """A mapping from item key to JSON value that outlives the process. One writer at a time.

    >>> with Journal(path) as journal:
    ...     if key not in journal:
    ...         journal[key] = expensive()
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._values: dict[str, object] = {}
        whole = self._read()
        self._stream = self.path.open("ab")
        if self._stream.tell() > whole:
            self._stream.truncate(whole)

    def _read(self) -> int:
        """Load the whole lines; return the length in bytes of the part that is sound."""
        whole = 0
        if not self.path.exists():
            return whole
        with self.path.open("rb") as stream:
            for line in stream:
                try:
                    entry = json.loads(line)
                    key, value = entry["key"], entry["value"]
                except (ValueError, KeyError, TypeError):
                    break
                if not line.endswith(b"\n"):
                    break
                self._values[key] = value
                whole += len(line)
        return whole

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def __setitem__(self, key: str, value: object) -> None:
        line = json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n"
        self._stream.write(line.encode("utf-8"))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._values[key] = value

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
