"""One writer at a time. When a controller is killed, its jobs run on, and the jobs that the next controller submits
write the same outputs, journals or checkpoints: they wait here until the earlier ones have ended, and then find what
those have already done.

Every job waits for the one that holds its log (`hold_log`), which is the same job of an earlier controller. Journals
and checkpoints are locked as well (`hold`), for programs that are run by hand, and so are the temporary folders in
which files are made (`lock_folder`).
"""

import fcntl
import os
import stat
import sys
import time
from pathlib import Path
from typing import IO

LOOK_EVERY = 0.2  # seconds


def _lock(file: IO | int, waiting: str) -> bool:
    """Lock an open file until it is closed; return whether it had to wait for another process. If so, print `waiting`.

    Raises OSError on a file system without locks (Lustre without `-o flock`).
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        print(waiting, file=sys.stderr, flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
        return True


def hold(stream: IO, what: Path) -> bool:
    """Lock an open file until it is closed; return whether it had to wait for another process.

    On a file system without locks nothing is locked, and a warning is printed.
    """
    try:
        return _lock(stream, f"{what}: another job is writing it; waiting until it ends")
    except OSError as error:
        print(f"{what}: cannot be locked ({error.strerror}): make sure that no other job writes it", file=sys.stderr)
        return False


def lock_folder(folder: Path) -> int | None:
    """Lock a folder until the returned descriptor is closed or this process ends; None if another process has locked
    it, it does not exist, or the file system has no locks."""
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


waited_for_job = False  # whether this process waited for an earlier run of the same job


def hold_log() -> None:
    """Lock standard error, if it is a file, until this process and all that have inherited it have ended."""
    global waited_for_job
    stderr = 2
    try:
        if not stat.S_ISREG(os.fstat(stderr).st_mode):
            return
        waited_for_job = _lock(stderr, "another job is writing this log; waiting until it ends")
    except OSError:  # closed, or on a file system without locks, of which `hold` warns
        return
    if waited_for_job:
        os.lseek(stderr, 0, os.SEEK_SET)  # both wrote from the beginning
        os.ftruncate(stderr, 0)
        print("waited for the same job of an earlier run, which was still running", file=sys.stderr, flush=True)


def hold_for_ranks(path: Path, owner: str, first: bool) -> tuple[IO, bool]:
    """Lock `path` for all processes of one program: the first takes the lock and writes `owner` into the file; the
    others wait until they read that. Returns the stream, to be kept open, and whether the first waited (False for the
    others)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+", encoding="utf-8")
    if not first:
        while path.read_text(encoding="utf-8") != owner:
            time.sleep(LOOK_EVERY)
        return stream, False
    waited = hold(stream, path.with_suffix(""))
    stream.truncate(0)
    stream.write(owner)
    stream.flush()
    return stream, waited
