"""A server that a job starts for itself on this machine, uses, and stops."""

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
GRACE = 10.0  # seconds between the polite and the final signal


def command_words(command: str | Sequence[str]) -> list[str]:
    """Split a command written as in a shell into its words; a list is taken as it stands. No shell runs it.

    Raises InputError for a quote without its end.
    """
    try:
        return shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise InputError(f"{command!r} is no command ({error}); mend its quotes") from None


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def listens_to_others(port: int) -> bool:
    """Whether somebody listens on a TCP port of this machine at another address than its own; only Linux tells."""
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
    """In the child before exec: have Linux end it when the job is killed without a chance to stop it."""
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was killed before
        os._exit(1)


class Served:
    """A command that serves on a free port, from `with` to its end. `{port}` in its words is replaced.

    `python` in the command is the Python that runs the job. Its output goes to the file `log`. Variables that
    `without` names are not in its environment; VLLM_API_KEY is, with the `key` that this server alone is to be asked
    with: others on this machine can reach a port of 127.0.0.1 too.

    >>> with Served("python -m http.server {port}", log) as server:
    ...     server.wait(lambda: answers(server.port), timeout=60)
    ...     use(server.port)
    """

    def __init__(self, command: str | Sequence[str], log: Path | str, without: Iterable[str] = ()):
        self.port = free_port()
        self.key = secrets.token_urlsafe()
        self.log = Path(log)
        self._words = [word.replace("{port}", str(self.port)) for word in command_words(command)]
        self._without = set(without)

    def __enter__(self) -> "Served":
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
                    start_new_session=True,  # a process group of its own, so that its children end with it
                    preexec_fn=partial(end_with_parent, os.getpid()) if sys.platform == "linux" else None,
                )
            except OSError as error:
                raise InputError(
                    f"cannot start the server {self._words[0]!r}: {error.strerror}; mend `serve`, or install it"
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
        """Return when `healthy` does. Raises InputError when the server dies, when `timeout` seconds have passed, and
        when it can be reached from other machines."""
        end, pause = time.monotonic() + timeout, 0.02
        while not healthy():
            self.check()
            if time.monotonic() > end:
                raise InputError(
                    f"the server was not ready after {timeout:g} s (start_timeout; it lists models when it is)"
                    f"{self._last_words()}"
                )
            time.sleep(pause)
            pause = min(1.5 * pause, 1.0)
        self.check()  # who answered may have been another server on the port that ours did not get
        if listens_to_others(self.port):
            raise InputError(
                f"the server {self._words[0]!r} listens to other machines too; let it listen on {HOST} alone, as vLLM"
                f" does with --host {HOST}"
            )

    def check(self) -> None:
        """Raise InputError when the server has died."""
        status = self._process.poll()
        if status is not None:
            raise InputError(f"the server ended with status {status}{self._last_words()}")

    def _last_words(self) -> str:
        """The end of its log, for the end of a message."""
        lines = [line.strip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return f"; its log {self.log} ends: {' | '.join(lines[-3:])[-400:] or '(empty)'}"
