"""Keep a server for the jobs of this machine that follow each other: start it, lend it, and stop it when it is unused.

Jobs start this program by themselves (serving/sharing.py). It ends at once if another keeper has the same socket, and
waits while a keeper of another server is at work, since two large models rarely fit on a machine's GPUs. Each
connection to the socket is a lease: it is told, in JSON, the port and the key of the server once that lists its models,
or an error. The server is stopped `--linger` seconds after the last lease has ended. If that is while it starts, or
while its keeper waits for another, it is given up.
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
from basics.locking import lock_folder
from serving.server import HOST, LocalServer
from serving.sharing import listen_alone

MOMENTS = 3.0  # seconds in which the first job comes, and in which those that come with it are told of a failed start
TICK = 0.5  # seconds between two looks at the server


class Unused(Exception):
    """No job waits for the server any more."""


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

    def __init__(self, listener: socket.socket):
        self._listener = listener
        self._listener.setblocking(False)
        self._held: list[socket.socket] = []
        self._used = time.monotonic()

    def look(self, told: dict | None = None, wait: float = TICK) -> None:
        """Wait a moment for jobs that come, which are told if there is something to tell, and for those that go."""
        for ready in select.select([self._listener, *self._held], [], [], wait)[0]:
            if ready is self._listener:
                self._lend(told)
            else:  # jobs say nothing: this one has ended
                self._held.remove(ready)
                ready.close()
        if self._held:
            self._used = time.monotonic()

    def _lend(self, told: dict | None) -> None:
        """Take in all jobs that have come."""
        with contextlib.suppress(BlockingIOError):
            while True:
                job = self._listener.accept()[0]
                self._held.append(job)
                if told:
                    self._tell(job, told)

    def tell(self, told: dict) -> None:
        """Tell all jobs, those that have waited and those that use the server."""
        for job in self._held:
            self._tell(job, told)

    def refuse(self, error: str) -> None:
        """Tell the jobs that wait for the server, and those that come within moments, why it did not start."""
        self.tell({"error": error})
        end = time.monotonic() + MOMENTS
        while time.monotonic() < end:
            self.look({"error": error})

    def look_for_waiting(self, linger: float, wait: float = TICK) -> None:
        """Look at the jobs that wait for the server. Raises Unused if all have gone for `linger` seconds, or if none
        has come."""
        self.look(wait=wait)
        if self.unused_for() > max(linger, MOMENTS):
            raise Unused

    def unused_for(self) -> float:
        """Seconds since the last lease ended."""
        return time.monotonic() - self._used

    @staticmethod
    def _tell(job: socket.socket, told: dict) -> None:
        with contextlib.suppress(OSError):
            job.sendall(json.dumps(told).encode() + b"\n")


def keep(arguments: argparse.Namespace, leases: Leases) -> None:
    """Run the server until nobody has used it for a while. Raises InputError if it fails, and Unused if nobody waits
    until it is ready."""
    server = LocalServer(arguments.command, arguments.log)

    def ready() -> bool:
        leases.look_for_waiting(arguments.linger, wait=0)
        return lists_models(server)

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(server)
            server.wait(ready, arguments.start_timeout)
        except (InputError, OSError) as error:  # OSError: the log cannot be written
            leases.refuse(str(error))
            raise
        told = {"port": server.port, "key": server.key}
        leases.tell(told)
        leases.look(told)  # the jobs that came meanwhile
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
    if not (listener := listen_alone(arguments.socket)):
        return  # another process keeps this server
    turn = arguments.socket.with_name("turn.lock")
    turn.mkdir(exist_ok=True)
    leases = Leases(listener)
    try:
        while lock_folder(turn) is None:
            leases.look_for_waiting(arguments.linger)
        keep(arguments, leases)
    except Unused:
        return
    except InputError as error:
        leases.tell({"error": str(error)})
        raise
    finally:
        arguments.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    command_line(main)
