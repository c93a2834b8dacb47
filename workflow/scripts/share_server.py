"""Keep a server for the jobs of this machine that follow each other: start it, lend it, and stop it when it is unused.

Jobs start this program by themselves (serving/sharing.py). It ends at once if another keeper has the same socket, and
waits while a keeper of another server is at work, since two large models rarely fit on a machine's GPUs. Each
connection to the socket is a lease: it is told, in JSON, the port and the key of the server once that lists its models,
or an error. The server is stopped `--linger` seconds after the last lease has ended.
"""

import argparse
import contextlib
import json
import select
import socket
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.locking import hold, lock_folder
from serving.server import HOST, LocalServer

PARTING = 3.0  # seconds for which jobs are still told that the server did not start: many come at once
TICK = 0.5  # seconds between two looks at the server


def lists_models(server: LocalServer) -> bool:
    """Whether the server answers its key with a list of models. It is on this machine, so no proxy is asked."""
    request = urllib.request.Request(f"http://{HOST}:{server.port}/v1/models")
    request.add_header("Authorization", f"Bearer {server.key}")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return answer.status == 200
    except (OSError, HTTPException):
        return False


class Leases:
    """The connections of jobs to the keeper's socket."""

    def __init__(self, place: Path):
        place.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place))
        self._listener.listen()
        self._listener.setblocking(False)
        self._held: list[socket.socket] = []
        self._used = time.monotonic()

    def look(self, told: dict) -> None:
        """Wait a moment for jobs that come, which are told, and for those that go."""
        for ready in select.select([self._listener, *self._held], [], [], TICK)[0]:
            if ready is self._listener:
                self._lend(told)
            else:  # jobs say nothing: this one has ended
                self._held.remove(ready)
                ready.close()
        if self._held:
            self._used = time.monotonic()

    def _lend(self, told: dict) -> None:
        """Take in all jobs that have come."""
        with contextlib.suppress(BlockingIOError):
            while True:
                job = self._listener.accept()[0]
                self._held.append(job)
                self._tell(job, told)

    def end(self, error: str) -> None:
        """Tell the jobs that use the server why there is none any more."""
        for job in self._held:
            self._tell(job, {"error": error})

    def refuse(self, error: str) -> None:
        """Tell the jobs that wait for the server, and those that come within moments, why it did not start."""
        end = time.monotonic() + PARTING
        while time.monotonic() < end:
            self.look({"error": error})

    def unused_for(self) -> float:
        """Seconds since the last lease ended."""
        return time.monotonic() - self._used

    @staticmethod
    def _tell(job: socket.socket, told: dict) -> None:
        with contextlib.suppress(OSError):
            job.sendall(json.dumps(told).encode() + b"\n")


def keep(arguments: argparse.Namespace, leases: Leases) -> None:
    """Run the server until nobody has used it for a while. Raises InputError if it fails."""
    server = LocalServer(arguments.command, arguments.log)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(server)
            server.wait(lambda: lists_models(server), arguments.start_timeout)
        except (InputError, OSError) as error:  # OSError: the log cannot be written
            leases.refuse(str(error))
            raise
        told = {"port": server.port, "key": server.key}
        leases.look(told)  # the jobs that waited for the start
        while leases.unused_for() < arguments.linger:
            server.check_running()
            leases.look(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--socket", required=True, type=Path, help="where jobs connect; its folder is this user's alone"
    )
    parser.add_argument("--log", required=True, type=Path, help="file for the server's output")
    parser.add_argument("--start-timeout", required=True, type=float, help="seconds that the server may take to start")
    parser.add_argument("--linger", required=True, type=float, help="seconds from the last lease to the end")
    parser.add_argument("command", nargs="+", help="the command that serves, with {port}")
    arguments = parser.parse_args()
    own, turn = arguments.socket.with_suffix(".lock"), arguments.socket.with_name("serving.lock")
    own.mkdir(exist_ok=True)
    if lock_folder(own) is None:
        return  # another process keeps this server
    leases = Leases(arguments.socket)
    try:
        with turn.open("a") as stream:
            hold(stream, turn)
            keep(arguments, leases)
    except InputError as error:
        leases.end(str(error))
        raise
    finally:
        arguments.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    command_line(main)
