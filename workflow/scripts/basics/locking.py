"""One writer at a time. A job whose controller was killed runs on, and what the next controller submits writes the same
outputs, journal or checkpoints: it waits here until the other is done, and then finds what that one paid for.

Every job waits for the one that has its log (`hold_log`), which is the same job of an earlier controller. Journals and
checkpoints are held as well (`hold`), for programs that are run by hand, and so are folders that a file is made in
(`held_folder`).
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
    """Lock an open file until it is closed; whether that took waiting for another process, which is told by `waiting`.

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
    """Lock an open file until it is closed; whether that took waiting for another process.

    On a file system without locks nothing is held, which is said once.
    """
    try:
        return _lock(stream, f"{what}: another job is writing it; waiting until that ends")
    except OSError as error:
        print(f"{what}: cannot be locked ({error.strerror}): see that no other job writes it", file=sys.stderr)
        return False


def held_folder(folder: Path) -> int | None:
    """Descriptor that holds a folder until it is closed, or its process ends; None where another process holds the
    folder, or it is gone, or the file system has no locks."""
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


waited_for_job = False  # whether this process came after one that ran as the same job


def hold_log() -> None:
    """Lock standard error, where it is a file, until this process and all that have inherited it have ended."""
    global waited_for_job
    stderr = 2
    try:
        if not stat.S_ISREG(os.fstat(stderr).st_mode):
            return
        waited_for_job = _lock(stderr, "another job is writing this log; waiting until that ends")
    except OSError:  # closed, or on a file system without locks, which `hold` complains of
        return
    if waited_for_job:
        os.lseek(stderr, 0, os.SEEK_SET)  # both have written from the beginning
        os.ftruncate(stderr, 0)
        print("waited for the job of an earlier start, which was still running", file=sys.stderr, flush=True)


def hold_for_ranks(path: Path, owner: str, first: bool) -> tuple[IO, bool]:
    """Lock `path` for all processes of one program: the first takes it, and writes into it whose it is; others wait
    until they read that. Returns the stream, to be kept open, and whether the first waited (False for others)."""
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
