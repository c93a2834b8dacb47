"""A server that a job starts on this machine, uses, and stops."""

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from basics.errors import InputError

HOST = "127.0.0.1"
GRACE = 10.0  # seconds between SIGTERM and SIGKILL


def command_words(command: str | Sequence[str]) -> list[str]:
    """Split a command, written as in a shell, into words; a list is returned unchanged. No shell is involved.

    Raises InputError for an unclosed quote.
    """
    try:
        return shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise InputError(f"{command!r} is not a valid command ({error}); correct its quotes") from None


def free_port() -> int:
    """A TCP port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def listens_to_others(port: int) -> bool:
    """Whether something listens on a TCP port at an address that other machines can reach; known on Linux only."""
    for table, own in (("/proc/net/tcp", "0100007F"), ("/proc/net/tcp6", f"{0:024X}01000000")):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for address, _, state in (line.split()[1:4] for line in lines):
            if state == "0A" and address.endswith(f":{port:04X}") and not address.startswith(own):  # 0A: LISTEN
                return True
    return False


def end_with_parent(parent: int) -> None:
    """In the child, before exec: have Linux end it if the job is killed before it can stop the server."""
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # killed in the meantime
        os._exit(1)


class LocalServer:
    """A command that serves on a free port for the length of a `with` block. `{port}` in the command is replaced.

    `python` in the command is the Python that runs the job. The output goes to the file `log`. The environment lacks
    the variables in `without`, and has VLLM_API_KEY, a random `key` for this server: other users of this machine can
    reach a port of 127.0.0.1 too.

    >>> with LocalServer("python -m http.server {port}", log) as server:
    ...     server.wait(lambda: answers(server.port), timeout=60)
    ...     use(server.port)
    """

    def __init__(self, command: str | Sequence[str], log: Path | str, without: Iterable[str] = ()):
        self.port = free_port()
        self.key = secrets.token_urlsafe()
        self.log = Path(log)
        self._words = [word.replace("{port}", str(self.port)) for word in command_words(command)]
        self._without = set(without)

    def __enter__(self) -> "LocalServer":
        environment = {name: value for name, value in os.environ.items() if name not in self._without}
        environment["VLLM_API_KEY"] = self.key
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    self._words,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # its own process group, so that its children end with it
                    preexec_fn=partial(end_with_parent, os.getpid()) if sys.platform == "linux" else None,
                )
            except OSError as error:
                raise InputError(
                    f"cannot start the server {self._words[0]!r}: {error.strerror}; correct `serve`, or install it"
                ) from None
        return self

    def __exit__(self, *_: object) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(GRACE)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def wait(self, healthy: Callable[[], bool], timeout: float) -> None:
        """Wait until `healthy` returns true. Raises InputError if the server dies, if it takes longer than `timeout`
        seconds, or if other machines can reach it."""
        end, pause = time.monotonic() + timeout, 0.02
        while not healthy():
            self.check_running()
            if time.monotonic() > end:
                raise InputError(
                    f"the server was not ready after {timeout:g} s (start_timeout; ready once it lists its models)"
                    f"{self._log_tail()}"
                )
            time.sleep(pause)
            pause = min(1.5 * pause, 1.0)
        self.check_running()  # another server on this port may have answered, and ours failed to bind it
        if listens_to_others(self.port):
            raise InputError(
                f"the server {self._words[0]!r} accepts connections from other machines; make it listen on {HOST} only,"
                f" as vLLM does with --host {HOST}"
            )

    def check_running(self) -> None:
        """Raise InputError if the server has died."""
        status = self._process.poll()
        if status is not None:
            raise InputError(f"the server ended with status {status}{self._log_tail()}")

    def _log_tail(self) -> str:
        """The last lines of its log, for the end of a message."""
        lines = [line.strip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return f"; its log {self.log} ends: {' | '.join(lines[-3:])[-400:] or '(empty)'}"
