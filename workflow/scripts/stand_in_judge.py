"""A stand-in for the judge: an HTTP server that speaks the chat-completions protocol and knows the reference answers.

It is NOT a language model, and its ratings mean nothing beyond the reference answers that it holds. It lets the
miniature use the real client over real HTTP, without a key and at no cost. It receives what a judge receives, a prompt
made from the template of the paper's Figure 1, and extracts instruction and response.

Rubric. The response is compared with the reference answers to that instruction, in every language that has one, by the
F1 of character bigrams (a simple form of chrF; case and runs of white space are ignored). The best match decides:

    similarity of 0.8 and more    [[3]]    says what the reference says
    similarity of 0.5 and more    [[2]]    says part of it
    anything less                 [[1]]    says something else

Since references in any language count, a good answer in the wrong language is rated as a good answer. The paper's
judge often did the same, which is why scores are multiplied by language identification, and what Figure 6 shows.

References are JSON lines `id, lang, prompt, reference`: rows with the same `id` are one question in several languages.
Equal requests get equal replies, byte for byte. If VLLM_API_KEY is set, as for vLLM, requests need that key. Stop the
server with a signal.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import socketserver
import sys
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import sha256
from basics.reading import read_jsonl

MODEL = "stand-in"
SAYS_IT, SAYS_PART = 0.8, 0.5  # similarities from which a response is rated 3 and 2
FIGURE_1 = re.compile(
    r"Please act as an impartial judge\b.*?"
    r"\[User instruction\]\n(?P<instruction>.*?)\n\n\[AI assistant’s response\]\n(?P<response>.*)",
    re.DOTALL,
)


class BadRequest(Exception):
    """A request to be refused, with HTTP status and message."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


def normalized_text(text: str) -> str:
    """Text for comparison and look-up: case folded, with single spaces."""
    return " ".join(text.casefold().split())


def bigrams(text: str) -> Counter[str]:
    """Character bigrams with their counts; a text of one character counts as a bigram."""
    text = normalized_text(text)
    return Counter(text[i : i + 2] for i in range(max(len(text) - 1, 1))) if text else Counter()


def similarity(one: Counter[str], other: Counter[str]) -> float:
    """F1 of two bags of bigrams: 1 if equal, 0 if disjoint or both empty."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


class Judge:
    """Applies the rubric to a set of references."""

    def __init__(self, references: str):
        self.fingerprint = "fp_" + sha256(references)[:10]
        self._answers: dict[object, list[Counter[str]]] = defaultdict(list)
        self._questions: dict[str, object] = {}
        for row in read_jsonl(references, fields={"id": str, "lang": str, "prompt": str, "reference": str}):
            self._answers[row["id"]].append(bigrams(row["reference"]))
            if self._questions.setdefault(normalized_text(row["prompt"]), row["id"]) != row["id"]:
                raise InputError(f"{references}: the prompt {row['prompt']!r} has two ids; give it one")
        if not self._questions:
            raise InputError(f"{references}: holds no reference answer; give rows of id, lang, prompt, reference")

    def __len__(self) -> int:
        return len(self._questions)

    def reply(self, prompt: str) -> str:
        """Explanation and rating for one Figure 1 prompt. Raises BadRequest if it cannot be judged."""
        parts = FIGURE_1.fullmatch(prompt)
        if parts is None:
            raise BadRequest(400, "the stand-in reads only prompts made from the template of Figure 1")
        question = self._questions.get(normalized_text(parts["instruction"]))
        if question is None:
            start = normalized_text(parts["instruction"])[:60]
            raise BadRequest(400, f"the stand-in holds no reference answer for the instruction {start!r}")
        response = bigrams(parts["response"])
        best = max(similarity(response, answer) for answer in self._answers[question])
        if best >= SAYS_IT:
            rating, verdict = 3, "The response says what a reference answer says"
        elif best >= SAYS_PART:
            rating, verdict = 2, "The response says part of what a reference answer says"
        else:
            rating, verdict = 1, "The response says something other than the reference answers"
        return f"{verdict} (similarity {best:.2f}). Rating: [[{rating}]]"


def completion(judge: Judge, request: object) -> dict:
    """The body of one chat completion. Raises BadRequest for an invalid request."""
    if not isinstance(request, dict):
        raise BadRequest(400, "the body must be a JSON object")
    if request.get("model") != MODEL:
        raise BadRequest(404, f"there is no model {request.get('model')!r} here; this server is the {MODEL!r}")
    if request.get("stream"):
        raise BadRequest(400, "the stand-in does not stream")
    messages = request.get("messages")
    if not (isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], dict)):
        raise BadRequest(400, "'messages' must hold one message: each response is judged in a new conversation")
    prompt = messages[0].get("content")
    if messages[0].get("role") != "user" or not isinstance(prompt, str):
        raise BadRequest(400, "the message must be {'role': 'user', 'content': text}")
    text = judge.reply(prompt)
    prompt_tokens, completion_tokens = len(prompt.split()), len(text.split())
    return {
        "id": "chatcmpl-" + hashlib.sha256(prompt.encode()).hexdigest()[:24],
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "system_fingerprint": judge.fingerprint,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


class Server(ThreadingHTTPServer):
    """HTTP on the loopback address, one thread per connection."""

    daemon_threads = True
    request_queue_size = 128  # the default of 5 makes concurrent clients wait a second for their connection

    def __init__(self, address: tuple[str, int], judge: Judge, key: str | None):
        self.judge, self.key = judge, key
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse name look-up, which can take seconds on a cluster node."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    """GET /v1/models and POST /v1/chat/completions; errors are returned as the protocol's error object."""

    server: Server  # ty: ignore[incompatible-mutable-override]  the only one that makes it
    protocol_version = "HTTP/1.1"  # keeps connections open between calls
    wbufsize = -1  # headers and body in one packet: with two, Nagle's algorithm costs 40 ms per call

    def do_GET(self) -> None:
        if not self._allowed():
            return
        if self.path != "/v1/models":
            return self._error(404, f"nothing at {self.path}; try /v1/models")
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "better-alpaca"}
        self._send(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True  # the end of this request is unknown
            return self._error(411, "the header Content-Length is needed")
        # Read the body whatever the path is, or it would be taken for the connection's next request.
        body = self.rfile.read(int(length))
        if not self._allowed():
            return
        if self.path != "/v1/chat/completions":
            return self._error(404, f"nothing at {self.path}; try /v1/chat/completions")
        try:
            self._send(200, completion(self.server.judge, json.loads(body)))
        except BadRequest as refusal:
            self._error(refusal.status, refusal.message)
        except ValueError as fault:  # not JSON, or not UTF-8
            self._error(400, f"the body is not valid JSON ({fault})")

    def _allowed(self) -> bool:
        """Whether the request has the server's key; otherwise, refuse it."""
        asked, key = self.headers.get("Authorization", ""), self.server.key
        if key is None or hmac.compare_digest(asked.encode(), f"Bearer {key}".encode()):
            return True
        self._error(401, "this server has a key, and the request does not")
        return False

    def _error(self, status: int, message: str) -> None:
        kind = "not_found_error" if status == 404 else "invalid_request_error"
        self._send(status, {"error": {"message": message, "type": kind, "param": None, "code": None}})

    def _send(self, status: int, value: dict) -> None:
        body = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Do not log single requests."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", required=True, help="JSON lines: id, lang, prompt, reference")
    parser.add_argument("--port", required=True, type=int, help="TCP port to listen on")
    parser.add_argument("--host", default="127.0.0.1", choices=["127.0.0.1"], help="this machine only")
    arguments = parser.parse_args()

    judge = Judge(arguments.references)
    try:
        server = Server((arguments.host, arguments.port), judge, os.environ.get("VLLM_API_KEY"))
    except OSError as error:
        raise InputError(f"--port {arguments.port}: {error.strerror}; choose another port") from None
    place = f"http://{arguments.host}:{arguments.port}/v1"
    print(f"stand-in judge with {len(judge)} prompts at {place}", file=sys.stderr, flush=True)
    with server:
        server.serve_forever()


if __name__ == "__main__":
    command_line(main)
