"""A completions server as vLLM is one, for tests: a real model behind the protocol, answering greedily.

--fault: `no-ids` leaves out token_ids, `refuse` answers 400, `empty` gives no choice, `die` ends the server at the
third request. Before it lists its model it says what another server might.
"""

import argparse
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--tokenizer", required=True, type=Path)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--fault", default="")
    arguments = parser.parse_args()

    from answering.generation import generate
    from models.tokenizer import Tokenizer
    from models.tuned import load_tuned

    model = load_tuned("full", arguments.model, arguments.model, "fp32")
    tokenizer = Tokenizer(arguments.tokenizer)
    one_at_a_time = threading.Lock()
    asked, strange = [], ["<html>", [], None, {}]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def allowed(self) -> bool:
            """Whether the request has the server's key; as vLLM, which has it from its environment too."""
            return self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}"

        def do_GET(self) -> None:
            if not self.allowed():
                return self.reply(401, {"error": "Unauthorized"})
            if strange:
                return self.reply(200, strange.pop())
            self.reply(
                200, {"object": "list", "data": [{"id": "tuned", "object": "model", "created": 0, "owned_by": ""}]}
            )

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.allowed():
                return self.reply(401, {"error": "Unauthorized"})
            asked.append(request)
            if arguments.fault == "refuse":
                return self.reply(400, {"error": {"message": "prompt is too long", "type": "invalid_request_error"}})
            if arguments.fault == "empty":
                return self.reply(200, {"choices": []})
            if arguments.fault == "die" and len(asked) == 3:
                print("out of memory", flush=True)
                os._exit(9)
            assert (request["model"], request["temperature"]) == ("tuned", 0)
            settings = SimpleNamespace(
                beams=1,
                no_repeat_ngram=0,
                repetition_penalty=request["repetition_penalty"],
                max_new_tokens=request["max_tokens"],
            )
            with one_at_a_time:
                ((tokens, finished),) = generate(model, [request["prompt"]], settings, tokenizer)
            choice = {"index": 0, "logprobs": None, "finish_reason": "stop" if finished else "length"}
            choice["text"] = tokenizer.decode(tokens)
            if arguments.fault != "no-ids" and request["return_token_ids"]:
                choice["token_ids"] = tokens + request["stop_token_ids"] * finished
            self.reply(
                200, {"id": "", "object": "text_completion", "created": 0, "model": "tuned", "choices": [choice]}
            )

        def reply(self, status: int, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer((arguments.host, arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    import sys

    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "workflow" / "scripts")]
    main()
