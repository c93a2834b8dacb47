"""An endpoint for judges, over real HTTP, that misbehaves as it is told and counts what it did."""

import json
import random
import select
import socket
import threading
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG, DROP = "hang", "drop"  # in place of a status: no answer, and a connection that is closed
USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}


class Endpoint(ThreadingHTTPServer):
    """Answers `[[2]]`; `fault(prompt, n)` may answer the n-th call for a prompt otherwise: (status, headers, text).

    A text in bytes, or the dict of an error, is the whole body; a function of the handler sends all the answer
    itself. `refusal(request)` may refuse a request for its
    parameters: (status, body). `models` are what it lists, by name the further fields of each; None: it has no list.
    With `key`, a request with another one is refused. A call is completed when its reply goes out to a client
    that is still there; what it used is then charged. While the gate is closed, replies that would complete are held.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, fault=lambda prompt, n: None, refusal=lambda request: None, delay=0.0, hang=2.0, models=None, key=None
    ):
        super().__init__(("127.0.0.1", 0), Handler)
        self.models, self.key = models, key
        self.fault, self.refusal, self.delay, self.hang = fault, refusal, delay, hang
        self.lock, self.gate = threading.Lock(), threading.Event()
        self.gate.set()
        self.calls, self.completed, self.asked, self.replies = Counter(), Counter(), Counter(), {}
        self.keys, self.times, self.charged = set(), [], Counter()
        self.headers = set()  # name and value
        self.held = 0
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_):
        """Say nothing of clients that have gone."""

    def close_gate(self):
        """After this no call is completed until the gate is opened."""
        with self.lock:
            self.gate.clear()


@contextmanager
def started(*fault, **options):
    """An endpoint that serves until the end of the `with` block."""
    server = Endpoint(*fault, **options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        if not self.has_key():
            return
        if (models := self.server.models) is None:
            self.send(404, {}, b'{"detail": "Not Found"}')
        else:
            data = [
                {"id": name, "object": "model", "created": 0, "owned_by": "x"} | more for name, more in models.items()
            ]
            self.send(200, {}, json.dumps({"object": "list", "data": data}).encode())

    def has_key(self):
        """Whether the request has the right key; if not, it is refused in OpenAI's words."""
        with self.server.lock:
            self.server.keys.add(self.headers["Authorization"])
            self.server.headers.update((name.lower(), value) for name, value in self.headers.items())
        given = self.headers["Authorization"].removeprefix("Bearer ")
        if self.server.key in (None, given):
            return True
        message = f"Incorrect API key provided: {given}. You can find your API key at https://platform.openai.com."
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
        self.send(401, {}, json.dumps({"error": error}).encode())
        return False

    def do_POST(self):
        server = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.has_key():
            return None
        prompt = request["messages"][-1]["content"]
        with server.lock:
            server.calls[prompt] += 1
            server.times.append(time.monotonic())
            number = server.calls[prompt]
        if refused := server.refusal(request):
            status, body = refused
            return self.send(status, {}, json.dumps(body).encode())
        status, headers, text = server.fault(prompt, number) or (200, {}, "Rating: [[2]]")
        time.sleep(server.hang if status == HANG else server.delay)
        if status in (HANG, DROP):
            self.close_connection = True
        elif callable(text):
            text(self, status)
            self.close_connection = True
        elif text in NO_COMPLETION:
            self.send(status, headers, text)
        elif status != 200:
            body = text if isinstance(text, dict) else {"error": {"message": text}}
            self.send(status, headers, json.dumps(body).encode())
        elif self.complete(prompt, request, text):
            self.send(status, headers, text if isinstance(text, bytes) else completion(text))

    def complete(self, prompt, request, text):
        """Wait for the gate; count the call if its client is still there."""
        server = self.server
        with server.lock:
            server.held += 1
        while True:
            server.gate.wait()
            with server.lock:
                if not server.gate.is_set():  # closed again before we had the lock
                    continue
                server.held -= 1
                if gone(self.connection):
                    self.close_connection = True
                    return False
                server.completed[prompt] += 1
                server.asked[prompt, request.get("seed")] += 1
                server.replies[prompt, request.get("seed")] = text
                server.charged.update(USAGE)
                return True

    def send(self, status, headers, body):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def completion(text):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": USAGE}
    return json.dumps(body).encode()


def gone(connection):
    """Whether the client has closed the connection; one that waits for its reply has sent nothing more."""
    readable, _, _ = select.select([connection], [], [], 0)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


# ---- parameters that an endpoint refuses


def unsupported(name, message, code):
    error = {"message": message, "type": "invalid_request_error", "param": name, "code": code}
    return 400, {"error": error}


def like_gpt_5(request):
    """OpenAI's answers to what its reasoning models do not take, word for word."""
    if "max_tokens" in request:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model."
        return unsupported("max_tokens", f"{message} Use 'max_completion_tokens' instead.", "unsupported_parameter")
    if request.get("temperature", 1) != 1:
        message = "Unsupported value: 'temperature' does not support 0 with this model."
        return unsupported("temperature", f"{message} Only the default (1) value is supported.", "unsupported_value")
    return None


# ---- answers without an end, or far too long, in place of a text

MEGABYTE = 2**20


def begin(handler, status, **headers):
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Connection": "close", **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.flush()


def slowly(handler, content, pause=0.2):
    """Every read of the client's ends soon; all of them together take minutes."""
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(pause)


def drip(handler, status):
    begin(handler, status)
    slowly(handler, completion("Rating: [[2]]"))


def spaces(handler, status):
    begin(handler, status)
    slowly(handler, b" " * 300 + completion("Rating: [[2]]"))


def drip_of_headers(handler, status):
    slowly(handler, b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 1_000)


def drip_of_a_chunk_size(handler, status):
    begin(handler, status, Transfer_Encoding="chunked")
    slowly(handler, b"1;filler=" + b"x" * 1_000)


def much(handler, status):
    begin(handler, status, Content_Length=200 * MEGABYTE)
    for _ in range(200):
        handler.wfile.write(b" " * MEGABYTE)


def endless(handler, status):
    begin(handler, status)
    while True:
        handler.wfile.write(b" " * MEGABYTE)


def bomb(handler, status):
    begin(handler, status, Content_Encoding="gzip", Content_Length=len(packed_gigabyte()))
    handler.wfile.write(packed_gigabyte())


@cache
def packed_gigabyte():
    packer = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b" " * MEGABYTE) for _ in range(1024)) + packer.flush()


DRIPS = (drip, spaces, drip_of_headers, drip_of_a_chunk_size)
FLOODS = (much, endless, bomb)


# ---- what goes wrong, at random from a seed

RETRY_NOW = {"Retry-After-Ms": 20}
TRANSPORT = [
    (429, {"Retry-After": "0.05"}, "slow down"),
    (500, RETRY_NOW, "oops"),
    (503, RETRY_NOW, "overloaded"),
    (DROP, {}, ""),
]
RATED = {  # what the judge says: its rating
    "Two minds: at first [[1]], and yet [[3]].": 3,
    "La respuesta es correcta, aber zu kurz: 还可以。 **Rating: [[2]]**": 2,
    "Rating: [[1]]": 1,
}
NO_COMPLETION = [  # with status 200: a proxy's page, a provider's error, and what is broken
    b"<html><body>Please log in</body></html>",
    b'{"error": {"message": "Provider returned error", "code": 429}}',
    b"{ no JSON",
    b"",
    b"[]",
    b'{"choices": []}',
    b"[" * 100_000,
    b'{"created": ' + b"9" * 5_000 + b"}",
]
UNRATED = ["I would rather not say.", "Rating: [[5]]", ""]
MANGLED = b'{"choices": [{"message": {"content": "half a pair \\ud83d"}}], "usage": {"prompt_tokens": "many"}}'


def transport_faults(seed, share=0.25, hangs=0.02):
    """429, 500, 503, dropped connections, and now and then no answer at all."""

    def fault(prompt, n):
        chance = random.Random(f"{seed} {prompt} {n}")
        if chance.random() < hangs:
            return HANG, {}, ""
        return chance.choice(TRANSPORT) if chance.random() < share else None

    return fault


def chaos(seed):
    """All that, answers that are no completions, and replies of every kind; one prompt in twenty is refused."""
    transport = transport_faults(seed)

    def fault(prompt, n):
        if random.Random(f"{seed} {prompt}").random() < 0.05:
            return 400, {}, "the content filter says no"
        chance = random.Random(f"{seed} {prompt} {n} reply")
        said = chance.choice(NO_COMPLETION if chance.random() < 0.1 else [*RATED, *RATED, *UNRATED, MANGLED])
        return transport(prompt, n) or (200, {}, said)

    return fault
