"""What happens to the files below a folder, as reported by Linux (inotify)."""

import ctypes
import os
import struct
import threading
from collections import defaultdict
from pathlib import Path

MODIFY, CLOSE_WRITE, MOVED_TO, CREATE, IS_FOLDER = 0x2, 0x8, 0x80, 0x100, 0x40000000  # <sys/inotify.h>
HEAD = struct.Struct("iIII")  # watch, event, cookie, length of the name that follows


class Watch:
    """Notes the events of `folder`, and of folders that appear in it, for the length of a `with` block. Names that
    begin with a dot are ignored: there files are made before they are moved into place.

    >>> with Watch(folder) as watch:
    ...     use(folder)
    >>> watch.events["a/file"]    # {MOVED_TO}
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.events: dict[str, set[int]] = defaultdict(set)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._places: dict[int, Path] = {}

    def __enter__(self) -> "Watch":
        self._stream = self._libc.inotify_init()
        self._add(self.folder)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        (self.folder / "end-of-watch").touch()  # closing the stream would not end a pending read
        self._thread.join()
        os.close(self._stream)
        (self.folder / "end-of-watch").unlink()

    def _add(self, folder: Path) -> None:
        mask = MODIFY | CLOSE_WRITE | MOVED_TO | CREATE
        watch = self._libc.inotify_add_watch(self._stream, os.fsencode(folder), mask)
        if watch < 0:
            return  # gone by now
        self._places[watch] = folder
        for path in folder.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                self._add(path)

    def _read(self) -> None:
        while True:
            events = os.read(self._stream, 1 << 16)
            while events:
                watch, event, _, length = HEAD.unpack_from(events)
                name = events[HEAD.size : HEAD.size + length].rstrip(b"\0").decode()
                events = events[HEAD.size + length :]
                if name == "end-of-watch":
                    return
                if not name or name.startswith(".") or watch not in self._places:
                    continue
                path = self._places[watch] / name
                self.events[str(path.relative_to(self.folder))].add(event & ~IS_FOLDER)
                if event & IS_FOLDER and event & (CREATE | MOVED_TO):
                    self._add(path)
