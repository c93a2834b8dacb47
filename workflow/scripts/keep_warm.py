"""Import torch, Transformers, PEFT and DeepSpeed once, and run the programs that need them in forks of this process.

Programs start this one by themselves if the configuration says `compute.start: warm` (models/warm_start.py). It ends at
once if another has the same socket, and when no program has run for `--linger` seconds. Each program runs in a session
of its own, with the arguments, environment, folder and standard streams of the process that asked for it, and is killed
when that process ends.
"""

import argparse
import contextlib
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path

from basics.command_line import command_line
from models import language_models  # noqa: F401  (first: it configures threads and network access)
from models.warm_start import IMPORTS, read_request
from serving.sharing import listen_alone

SCRIPTS = Path(__file__).resolve().parent


def forget_own_modules() -> None:
    """Have this project's modules imported anew, as they are now and with the environment of the program."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and (getattr(module, "__file__", None) or "").startswith(f"{SCRIPTS}{os.sep}"):
            del sys.modules[name]


def run_program(arguments: list[str], environment: dict[str, str], folder: str, streams: list[int]) -> int:
    """Run a program in this process, a fork, as if Python had just started; return its exit status."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    forget_own_modules()
    sys.argv = arguments
    try:
        runpy.run_path(arguments[0], run_name="__main__")
        return 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
            return 1
        return error.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


class Keeper:
    """Starts programs and tells those that asked how they ended."""

    def __init__(self, listener: socket.socket):
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._start)
        self._running = 0

    def serve(self, linger: float) -> None:
        """Start programs until none has run or been asked for in `linger` seconds."""
        while (events := self._selector.select(None if self._running else linger)) or self._running:
            for key, _ in events:
                key.data()

    def _start(self) -> None:
        client = self._listener.accept()[0]
        try:
            request, streams = read_request(client)
        except (OSError, ValueError):
            client.close()
            return
        if not (number := os.fork()):
            self._selector.close()
            self._listener.close()
            client.close()
            os._exit(run_program(request["arguments"], request["environment"], request["folder"], streams))
        for stream in streams:
            os.close(stream)
        self._running += 1
        with contextlib.suppress(OSError):
            client.sendall(b"%d\n" % number)
        ended = os.pidfd_open(number)
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._report(client, number, ended))
        self._selector.register(client, selectors.EVENT_READ, lambda: self._abandon(client, number))

    def _report(self, client: socket.socket, number: int, ended: int) -> None:
        """Tell the client how its program has ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        self._running -= 1
        self._selector.unregister(ended)
        os.close(ended)
        with contextlib.suppress(KeyError):
            self._selector.unregister(client)
        with contextlib.suppress(OSError):
            client.sendall(b"%d\n" % status)
        client.close()

    def _abandon(self, client: socket.socket, number: int) -> None:
        """Kill a program whose client has ended: clients say nothing after their request."""
        self._selector.unregister(client)
        os.killpg(number, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--socket", required=True, type=Path, help="where programs ask; its folder is this user's")
    parser.add_argument("--linger", required=True, type=float, help="seconds from the last program to the end")
    arguments = parser.parse_args()
    if not (listener := listen_alone(arguments.socket)):
        return  # another process does this
    try:
        for module in IMPORTS:
            __import__(module)
        Keeper(listener).serve(arguments.linger)
    finally:
        arguments.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    command_line(main)
