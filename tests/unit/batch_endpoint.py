"""A judge on this machine that speaks files, batches and chat completions, and goes wrong where it is told to.

It answers a prompt by its hash, whichever way it is asked. A batch is worked off by a thread of its own.
"""

import email.policy
import hashlib
import json
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

DELAY = 0.02  # seconds that a batch spends in each of its states


class Gone(Exception):
    """The connection is to be closed without an answer."""


class BatchEndpoint(ThreadingHTTPServer):
    """What it is told before, and what it has counted after.

    `texts(prompt, seed)` is what the judge says. `fails(prompt, n)` may give the status and message, or the code alone,
    with which the n-th processing of a prompt in batches fails. `invalid` is the message with which validation fails,
    `cancelled` has batches cancelled after their first half. `troubles[phase]` are what goes wrong the next times, in
    turn: a status, or `drop` (hang up instead of answering; what was asked is done), or `half` (hang up half-way), or
    `page` (answer with one, as a gateway may).

    Phases are the requests upload, create, retrieve, list, download and chat, `half`, when half of a file is sent, and
    `process`, the work on a batch.
    """

    daemon_threads = True
    block_on_close = False  # a request that is held does not hold up the end of a test

    def __init__(self, texts: Callable[[str, int | None], str] | None = None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.texts = texts or rated_by_hash
        self.fails: Callable[[str, int], tuple[int, str] | str | None] = lambda prompt, n: None
        self.invalid = ""
        self.cancelled = self.shuffled = False
        self.escaped = False  # the s of keys, in what it writes
        self.extra_lines: list[bytes] = []  # put in front of each file of results
        self.troubles: dict[str, list[int | str]] = {}
        self.tried: Counter[str] = Counter()  # processed in batches, by prompt
        self.paid: Counter[str] = Counter()  # answered in batches, by custom id
        self.seeds: dict[str, list[int | None]] = defaultdict(list)  # of all requests, by prompt
        self.keys: set[str] = set()
        self.asked: Counter[str] = Counter()  # by phase
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.batches: dict[str, dict] = {}
        self.reached: dict[str, threading.Event] = {}
        self._gates: dict[str, tuple[int, threading.Event]] = {}
        self.lock = threading.RLock()

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that were killed."""

    # ---- phases

    def hold(self, phase: str, nth: int = 1) -> threading.Event:
        """Have the nth request of a phase, and those after it, wait. Returns the event set when it has come."""
        self._gates[phase] = (nth, threading.Event())
        self.reached[phase] = threading.Event()
        return self.reached[phase]

    def let_go(self) -> None:
        for _, gate in self._gates.values():
            gate.set()
        self._gates = {}

    def passes(self, phase: str) -> None:
        """Count a request of a phase, and wait while it is held."""
        with self.lock:
            self.asked[phase] += 1
            nth, gate = self._gates.get(phase, (None, None))
            held = nth is not None and self.asked[phase] >= nth
        if held:
            self.reached[phase].set()
            gate.wait(30)

    # ---- files and batches

    def add_file(self, name: str, content: bytes) -> dict:
        with self.lock:
            file = f"file-{len(self.files)}"
            self.files[file], self.names[file] = content, name
        return {"id": file, "object": "file", "bytes": len(content), "filename": name, "purpose": "batch"}

    def requests(self, batch: dict) -> list[dict]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def add_batch(self, wanted: dict) -> dict:
        with self.lock:
            batch = {
                "id": f"batch_{len(self.batches)}",
                "object": "batch",
                "status": "validating",
                "created_at": len(self.batches),
                "endpoint": wanted["endpoint"],
                "completion_window": wanted["completion_window"],
                "input_file_id": wanted["input_file_id"],
                "metadata": wanted.get("metadata"),
                "request_counts": {"total": 0, "completed": 0, "failed": 0},
            }
            self.batches[batch["id"]] = batch
        threading.Thread(target=self.process, args=(batch,), daemon=True).start()
        return batch

    def listed(self, limit: int, after: str | None) -> dict:
        """A page of the list, the newest first."""
        with self.lock:
            newest = list(reversed(self.batches.values()))
        begin = [batch["id"] for batch in newest].index(after) + 1 if after else 0
        page = newest[begin : begin + limit]
        return {"object": "list", "data": page, "has_more": begin + limit < len(newest)}

    def process(self, batch: dict) -> None:
        time.sleep(DELAY)
        if self.invalid:
            errors = {"object": "list", "data": [{"code": "invalid", "message": self.invalid, "line": 1}]}
            batch.update(status="failed", errors=errors)
            return
        requests = self.requests(batch)
        counts = {"total": len(requests), "completed": 0, "failed": 0}
        batch.update(status="in_progress", request_counts=counts)
        self.passes("process")
        output, errors = [], []
        half = len(requests) // 2 if self.cancelled else len(requests)
        for request in requests[:half]:
            line = self.line(request)
            good = (line["response"] or {}).get("status_code") == 200
            (output if good else errors).append(line)
            counts["completed" if good else "failed"] += 1
        time.sleep(DELAY)
        batch["status"] = "finalizing"
        for kind, lines in (("output", output), ("error", errors)):
            ordered = sorted(lines, key=lambda line: line["custom_id"]) if self.shuffled else lines
            texts = [json.dumps(line, ensure_ascii=False) for line in ordered]
            if self.escaped:
                texts = [text.replace("sk-", r"\u0073k-") for text in texts]
            content = [*self.extra_lines, *(text.encode() for text in texts)]
            if lines:
                batch[f"{kind}_file_id"] = self.add_file(kind, b"\n".join(content) + b"\n")["id"]
        expired = any(line["error"] and line["error"]["code"] == "batch_expired" for line in errors)
        batch["status"] = "cancelled" if self.cancelled else "expired" if expired else "completed"

    def line(self, request: dict) -> dict:
        """What comes of one request of a batch."""
        body = request["body"]
        prompt = body["messages"][0]["content"]
        with self.lock:
            self.tried[prompt] += 1
            failure = self.fails(prompt, self.tried[prompt])
        line = {"id": "x", "custom_id": request["custom_id"], "response": None, "error": None}
        if isinstance(failure, str):
            return line | {"error": {"code": failure, "message": f"{failure}: not done in time"}}
        if failure:
            status, message = failure
            return line | {"response": {"status_code": status, "body": {"error": {"message": message}}}}
        with self.lock:
            self.paid[request["custom_id"]] += 1
        return line | {"response": {"status_code": 200, "request_id": "r", "body": self.completion(body)}}

    def completion(self, body: dict) -> dict:
        prompt, seed = body["messages"][0]["content"], body.get("seed")
        with self.lock:
            self.seeds[prompt].append(seed)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.texts(prompt, seed)},
            "finish_reason": "stop",
        }
        return {
            "id": "chatcmpl-x",
            "object": "chat.completion",
            "created": 0,
            "model": "judge-0125",
            "system_fingerprint": "fp_1",
            "choices": [choice],
            "usage": {"prompt_tokens": len(prompt), "completion_tokens": 7, "total_tokens": len(prompt) + 7},
        }


def rated_by_hash(prompt: str, seed: int | None) -> str:
    """A judge whose mind is made up by the prompt. U+2028 ends no line of JSON."""
    return f"Well\u2028then. Rating: [[{hashlib.sha256(prompt.encode()).digest()[0] % 3 + 1}]]"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # an answer goes out in two pieces
    server: BatchEndpoint

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer("POST")

    def do_GET(self) -> None:
        self.answer("GET")

    def answer(self, method: str) -> None:
        self.server.keys.add(self.headers["Authorization"])
        address = urlsplit(self.path)
        kind = {
            "POST files": "upload",
            "POST batches": "create",
            "GET batches": "retrieve" if address.path.count("/") > 2 else "list",
            "GET files": "download",
            "POST chat": "chat",
        }.get(f"{method} {address.path.split('/')[2]}")
        with self.server.lock:
            trouble = (self.server.troubles.get(kind) or [None]).pop(0)
        try:
            if isinstance(trouble, int):
                self.reply(trouble, {"error": {"message": f"trouble {trouble}"}})
            else:
                getattr(self, kind)(address, trouble)
        except Gone:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client is gone
            self.close_connection = True

    def reply(self, status: int, value: object, trouble: str | None = None) -> None:
        if trouble == "drop":
            raise Gone
        kind = "application/jsonl" if isinstance(value, bytes) else "application/json"
        if trouble == "empty":
            value = {}
        if trouble == "page":
            kind, value = "text/html", b"<h1>Please wait</h1>"
        content = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After-Ms", "1")
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        self.wfile.flush()
        if kind == "application/jsonl":
            self.server.passes("half")
        if trouble == "half":
            raise Gone
        self.wfile.write(content[half:])
        self.wfile.flush()

    def upload(self, _: object, trouble: str | None) -> None:
        self.server.passes("upload")
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        fields = {
            part.get_param("name", header="Content-Disposition"): part
            for part in BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body).iter_parts()
        }
        assert fields["purpose"].get_content().strip() == "batch"
        content = fields["file"].get_payload(decode=True)
        self.reply(200, self.server.add_file(fields["file"].get_filename(), content), trouble)

    def create(self, _: object, trouble: str | None) -> None:
        batch = self.server.add_batch(json.loads(self.body))
        self.server.passes("create")
        self.reply(200, batch, trouble)

    def retrieve(self, address: object, trouble: str | None) -> None:
        self.server.passes("retrieve")
        self.reply(200, self.server.batches[address.path.rpartition("/")[2]], trouble)

    def list(self, address: object, trouble: str | None) -> None:
        self.server.passes("list")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.reply(200, self.server.listed(min(int(query.get("limit", 20)), 2), query.get("after")), trouble)

    def download(self, address: object, trouble: str | None) -> None:
        content = self.server.files.get(address.path.split("/")[3])
        if content is None:
            self.reply(404, {"error": {"message": "no such file"}})
        else:
            self.server.passes("download")
            self.reply(200, content, trouble)

    def chat(self, _: object, trouble: str | None) -> None:
        self.reply(200, self.server.completion(json.loads(self.body)), trouble)


@contextmanager
def serving(endpoint: BatchEndpoint) -> Iterator[BatchEndpoint]:
    """Let an endpoint serve until the end of the block."""
    with endpoint:
        # It looks every 10 ms whether it is to shut down.
        threading.Thread(target=endpoint.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield endpoint
        finally:
            endpoint.let_go()
            endpoint.shutdown()
