"""A server that jobs on one machine share: the first starts it, and it ends when no job has used it for a while.

A job that serves a model of many gigabytes spends minutes on the start, and the next job would spend them again. So the
server belongs to a keeper (share_server.py), a process of its own, and jobs hold leases: connections to the keeper's
Unix socket, which end with a job however it ends. The keeper tells each job the port and the key of the server once it
is ready, or why it is not; neither is written to a file.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from basics.errors import InputError
from basics.hashing import item_key
from basics.locking import lock_folder
from serving.server import command_words

KEEPER = Path(__file__).resolve().parents[1] / "share_server.py"
PAUSE = 0.2  # seconds between two attempts to reach the keeper
OF_AN_ALLOCATION = ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
LONGEST_PATH = 100  # bytes; Linux allows a socket 107
ATTEMPTS = 150  # to reach the keeper, before something must be wrong with it
DIGITS = 12  # of a hash; the whole of it would make the path too long


def meeting_place(words: Sequence[str]) -> Path:
    """The keeper's socket for a command: in a folder that only this user can enter, on this machine. Two allocations of
    a cluster on one machine have one each: the server of one would end with it."""
    allocation = item_key(**{name: os.environ.get(name) for name in OF_AN_ALLOCATION})[:DIGITS]
    folder = Path(tempfile.gettempdir()) / f"better-alpaca-{os.getuid()}-{allocation}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise InputError(f"{folder}: others can enter it, and a server's key is told there; remove the folder")
    place = folder / item_key(folder=os.getcwd(), command=list(words))[:DIGITS]
    if len(os.fsencode(place)) > LONGEST_PATH:
        raise InputError(f"{folder}: too long a path for a socket; set TMPDIR to a shorter one")
    return place


def connect(place: Path, start: Callable[[], subprocess.Popen]) -> socket.socket:
    """A connection to the keeper at its meeting place, which is started if there is none.

    Raises TimeoutError if none answers.
    """
    keeper = None
    for _ in range(ATTEMPTS):
        lease = socket.socket(socket.AF_UNIX)
        try:
            lease.connect(str(place))
            return lease
        except OSError:
            lease.close()
            if keeper is None or keeper.poll() is not None:
                keeper = start()
            time.sleep(PAUSE)
    raise TimeoutError(f"{place}: nobody answers there")


def listen_alone(place: Path) -> socket.socket | None:
    """A keeper's end of its meeting place, for as long as this process lives; None if another keeper has it."""
    lock = place.with_suffix(".lock")
    lock.mkdir(exist_ok=True)
    if lock_folder(lock) is None:
        return None
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen()
    return listener


def start_keeper(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a keeper, which ends at once where there is one. It belongs to no job, and so to no job's group."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )


class SharedServer:
    """A lease of the server that a command starts, with the interface of LocalServer.

    It ends `linger` seconds after its last lease, or when `timeout` seconds did not suffice for its start.
    """

    def __init__(
        self, command: str | Sequence[str], log: Path | str, timeout: float, linger: float, without: Iterable[str]
    ):
        self._words, self.log = command_words(command), Path(log)
        self._without = set(without)
        self._options = ["--start-timeout", str(timeout), "--linger", str(linger)]
        self.port, self.key = 0, ""
        self._unread = b""

    def __enter__(self) -> "SharedServer":
        told = None
        while told is None:  # a keeper that is just ending says nothing
            self._lease = self._connect()
            told = self._told()
        self.port, self.key = told["port"], told["key"]
        self._lease.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self._lease.close()

    def wait(self, healthy: Callable[[], bool], timeout: float) -> None:
        """Nothing to wait for: the keeper has."""

    def check_running(self) -> None:
        """Raise InputError if the server has died."""
        with contextlib.suppress(BlockingIOError):
            if self._told() is None:
                raise InputError(f"the process that kept the server has died; its log is {self.log}")

    def _connect(self) -> socket.socket:
        place = meeting_place(self._words)
        try:
            return connect(place, lambda: self._start_keeper(place))
        except TimeoutError:
            raise InputError(f"no process keeps the server {self._words[0]!r}; its log is {self.log}") from None

    def _start_keeper(self, place: Path) -> subprocess.Popen:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        options = ["--socket", str(place), "--log", str(self.log), *self._options]
        environment = {name: value for name, value in os.environ.items() if name not in self._without}
        return start_keeper([str(KEEPER), *options, "--", *self._words], environment)

    def _told(self) -> dict | None:
        """What the keeper says next; None if it has ended. Raises InputError if the server has failed, and
        BlockingIOError if there is nothing to read from a socket that does not wait."""
        if b"\n" not in self._unread:
            try:
                self._unread += self._lease.recv(65_536)
            except ConnectionResetError:
                return None
        line, _, self._unread = self._unread.partition(b"\n")
        told = json.loads(line) if line else None
        if told and "error" in told:
            raise InputError(told["error"])
        return told
