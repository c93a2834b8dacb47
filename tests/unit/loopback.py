"""A web server on this machine that serves a folder, and fails where it is told to."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECES = {"drip": 10, "steady": 1_000}  # bytes
PAUSE = 0.1  # seconds between two pieces


class Loopback(ThreadingHTTPServer):
    """Serves `folder` at `address`.

    `faults` says by file name what is to go wrong: a number is the HTTP status to answer with; `short` sends half of
    what was announced and hangs up; `broken` does so within a chunked response, `reset` with a TCP reset; `stalled`
    sends half and waits until `go_on` is set; `drip` and `steady` send all of it, ten bytes or a thousand a time;
    `endless` sends it over and over. `asked` counts the requests by file name.
    """

    block_on_close = False  # a stalled request does not hold up the end of a test

    def __init__(self, folder: Path, handler: type[SimpleHTTPRequestHandler]):
        super().__init__(("127.0.0.1", 0), partial(handler, directory=folder))
        self.folder = folder
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.faults: dict[str, str | int] = {}
        self.asked: Counter[str] = Counter()
        self.stalled = threading.Event()  # set when a response has stalled
        self.go_on = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that were killed."""


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # for chunked responses
    server: Loopback

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = Path(self.path).name
        self.server.asked[name] += 1
        fault = self.server.faults.get(name)
        if fault is None:
            super().do_GET()
        elif isinstance(fault, int):
            self.send_error(fault)
        elif fault in PIECES:
            self.send_slowly(PIECES[fault], Path(self.translate_path(self.path)).read_bytes())
        elif fault == "endless":
            self.send_without_end(Path(self.translate_path(self.path)).read_bytes())
        else:
            self.send_half(fault, Path(self.translate_path(self.path)).read_bytes())

    def send_slowly(self, length: int, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), length):
            self.wfile.write(content[start : start + length])
            time.sleep(PAUSE)

    def send_without_end(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    def send_half(self, fault: str, content: bytes) -> None:
        half = content[: len(content) // 2]
        self.close_connection = True
        self.send_response(200)
        if fault == "broken":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(content):x}\r\n".encode() + half)
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(half)
        if fault == "reset":
            no_linger = struct.pack("ii", 1, 0)  # a socket that is closed so ends in a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            self.connection.close()
        elif fault == "stalled":
            self.wfile.flush()
            self.server.stalled.set()
            self.server.go_on.wait()


@contextmanager
def serving(folder: Path, handler: type[Handler] = Handler) -> Iterator[Loopback]:
    """Serve a folder until the end of the block."""
    with Loopback(folder, handler) as server:
        # It looks every 10 ms whether it is to shut down.
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
