"""The judge's job over real HTTP: against the stand-in that it serves itself, and against an endpoint with faults."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from judge import Pace

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
TEMPLATE = REPOSITORY / "resources" / "templates" / "judge.txt"
KEY = "sk-never-to-be-seen-4711"

FIGURE_1 = """\
Please act as an impartial judge and evaluate the quality of the response provided by an AI assistant to the user
instruction displayed below. Your evaluation should consider factors such as helpfulness, relevance, accuracy, depth,
creativity, and level of detail. It is also required that the response is in the same language as the instruction.
Begin your evaluation with a short explanation. Be as objective as possible. After providing your explanation, please
rate the response on a scale of 1 to 3 by strictly following this format: "[rating]", for example: "Rating: [[2]]".

[User instruction]
${instruction}

[AI assistant’s response]
${response}
"""

REFERENCES = [
    {"id": "cat", "lang": "en", "prompt": "What is the cat?", "reference": "The cat is a small animal."},
    {"id": "cat", "lang": "es", "prompt": "¿Qué es el gato?", "reference": "El gato es un animal pequeño."},
    {"id": "dog", "lang": "en", "prompt": "Where is the dog?", "reference": "The dog is in the garden."},
    {"id": "dog", "lang": "zh", "prompt": "狗在哪里？", "reference": "狗在花园里。"},
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def response(lang, id, prompt, text):
    return {"lang": lang, "id": id, "prompt": prompt, "response": text, "tokens": 1, "finish": "stop"}


def questions(count):
    return [response("en", str(n), f"Question {n}?", f"Answer {n}.") for n in range(count)]


class Job:
    """The judge's command line in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.output = folder / "ratings.jsonl"
        self.journal = folder / "journal.jsonl"

    def start(self, judge, rows, template=TEMPLATE, key=KEY):
        responses = write_rows(self.folder / "responses.jsonl", rows)
        settings = {"name": "tested", "model": "stand-in"} | judge
        environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
        if key:
            environment["OPENAI_API_KEY"] = key
        command = [sys.executable, str(SCRIPTS / "judge.py")]
        command += ["--responses", str(responses), "--template", str(template), "--judge", json.dumps(settings)]
        command += ["--journal", str(self.journal), "--output", str(self.output)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=self.folder)

    def run(self, judge, rows, **options):
        """Run to the end; return the exit status and the last line of stderr."""
        process = self.start(judge, rows, **options)
        errors = process.communicate(timeout=60)[1]
        self.errors = errors
        return process.returncode, errors.rstrip().rpartition("\n")[2]

    def rows(self):
        return read_rows(self.output)


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


# ---- the stand-in, served by the job


@pytest.fixture
def stand_in(tmp_path):
    references = write_rows(tmp_path / "references.jsonl", REFERENCES)
    return {"serve": f"python {SCRIPTS}/stand_in_judge.py --references {references} --port {{port}}"}


def test_the_template_is_figure_1_of_the_paper_word_for_word():
    assert TEMPLATE.read_text(encoding="utf-8").split() == FIGURE_1.split()


def test_the_served_stand_in_rates_by_its_rubric_and_rows_keep_the_order_of_the_responses(job, stand_in):
    rows = [
        response("zh", "dog", "狗在哪里？", "狗在花园里。"),
        response("es", "cat", "¿Qué es el gato?", "The cat is a small animal."),
        response("en", "cat", "What is the cat?", "The cat is a small star of the sky."),
        response("en", "dog", "Where is the dog?", "Yesterday, we sang."),
        response("es", "dog", "Where is the dog?", ""),
    ]
    status, last = job.run(stand_in, rows, key=None)
    assert status == 0, job.errors
    rated = job.rows()
    assert [(row["lang"], row["id"]) for row in rated] == [(row["lang"], row["id"]) for row in rows]
    assert [row["rating"] for row in rated] == [3, 3, 2, 1, 1]
    fields = ["lang", "id", "rating", "explanation", "attempts", "model", "fingerprint", "usage"]
    assert list(rated[0]) == fields
    assert rated[0]["explanation"].endswith("Rating: [[3]]")
    assert rated[0]["model"] == "stand-in" and rated[0]["fingerprint"].startswith("fp_")
    assert rated[0]["usage"]["prompt_tokens"] > 80 and rated[0]["usage"]["completion_tokens"] > 5
    assert "5 responses, mean rating 2.00, 0 without a rating; 5 calls now and 0 from the journal" in last


def test_a_second_job_starts_no_server_unless_the_answer_key_has_changed(job, stand_in, tmp_path):
    rows = [response("en", "cat", "What is the cat?", "The cat is an animal that never barks.")]
    job.run(stand_in, rows)
    first, log = job.output.read_bytes(), Path(f"{job.journal}.server.log")
    log.unlink()
    status, last = job.run(stand_in, rows)
    assert status == 0 and "0 calls now and 1 from the journal" in last
    assert job.output.read_bytes() == first and not log.exists()

    changed = [row | {"reference": "The cat is an animal that never barks."} for row in REFERENCES]
    write_rows(tmp_path / "references.jsonl", changed)
    status, last = job.run(stand_in, rows)
    assert "1 calls now" in last and job.rows()[0]["rating"] == 3


@pytest.fixture(scope="module")
def stand_in_url(tmp_path_factory):
    from served import Served

    folder = tmp_path_factory.mktemp("stand-in")
    references = write_rows(folder / "references.jsonl", REFERENCES)
    command = ["python", str(SCRIPTS / "stand_in_judge.py"), "--references", str(references), "--port", "{port}"]
    with Served(command, folder / "log") as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        server.wait(lambda: call(f"{url}/models")[0] == 200, timeout=10)
        yield url


def call(url, body=None):
    """Status and body of a GET, or of a POST of bytes or of a value as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return None, b""


def asked(instruction, text, **others):
    prompt = FIGURE_1.replace("${instruction}", instruction).replace("${response}", text)
    return {"model": "stand-in", "messages": [{"role": "user", "content": prompt}]} | others


def test_the_stand_in_lists_its_model_and_gives_equal_requests_equal_bytes(stand_in_url):
    assert json.loads(call(f"{stand_in_url}/models")[1])["data"][0]["id"] == "stand-in"
    request = asked("What is the cat?", "A small animal.")
    first, second = (call(f"{stand_in_url}/chat/completions", request) for _ in range(2))
    assert first[0] == 200 and first == second


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/chat/completions", b"{", 400, "not valid JSON"),
        ("/chat/completions", [], 400, "must be a JSON object"),
        ("/chat/completions", {"model": "stand-in"}, 400, "'messages' must hold one message"),
        ("/chat/completions", {"model": "stand-in", "messages": [{"role": "user"}]}, 400, "the message must be"),
        ("/chat/completions", asked("What is the cat?", "x", model="gpt-4"), 404, "there is no model 'gpt-4'"),
        ("/chat/completions", asked("What is the cat?", "x", stream=True), 400, "does not stream"),
        ("/chat/completions", asked("What is the moon?", "x"), 400, "no reference answer for the instruction"),
        ("/completions", {}, 404, "nothing at /v1/completions"),
    ],
)
def test_the_stand_in_refuses_with_the_error_object_of_the_protocol(stand_in_url, path, body, status, message):
    got, answer = call(f"{stand_in_url}{path}", body)
    assert got == status
    assert message in json.loads(answer)["error"]["message"]


def test_the_stand_in_refuses_a_prompt_that_is_not_of_figure_1(stand_in_url):
    request = {"model": "stand-in", "messages": [{"role": "user", "content": "Hello!"}]}
    status, answer = call(f"{stand_in_url}/chat/completions", request)
    assert status == 400 and "template of Figure 1" in json.loads(answer)["error"]["message"]


def test_the_stand_in_says_that_it_is_one():
    command = [sys.executable, str(SCRIPTS / "stand_in_judge.py"), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "stand-in" in said and "NOT a language model" in said


# ---- an endpoint with faults


class Endpoint(ThreadingHTTPServer):
    """Answers `[[2]]`; `fault(prompt, n)` may answer the n-th call for a prompt otherwise: (status, headers, text)."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, fault=lambda prompt, n: None):
        super().__init__(("127.0.0.1", 0), EndpointHandler)
        self.fault, self.lock = fault, threading.Lock()
        self.calls, self.completed, self.keys, self.times = Counter(), Counter(), set(), []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class EndpointHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        server = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][0]["content"]
        with server.lock:
            server.calls[prompt] += 1
            server.times.append(time.monotonic())
            server.keys.add(self.headers["Authorization"])
            number = server.calls[prompt]
        status, headers, text = server.fault(prompt, number) or (200, {}, "Rating: [[2]]")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
        body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        answer = json.dumps(body | {"usage": usage} if status == 200 else {"error": {"message": text}}).encode()
        with server.lock:
            server.completed[prompt] += status == 200
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(answer), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    """Start endpoints with the fault given; they end with the test."""
    servers = []

    def start(*fault):
        server = Endpoint(*fault)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_errors_that_pass_are_waited_out_as_retry_after_says_and_nothing_is_paid_for_twice(job, endpoint):
    def fault(prompt, n):
        if n == 1 and "Question 1?" in prompt:
            return 429, {"Retry-After": 1}, "slow down"
        if n <= 2 and "Question 2?" in prompt:
            return 500, {"Retry-After-Ms": 10}, "oops"
        return None

    server = endpoint(fault)
    begin = time.monotonic()
    status, last = job.run({"base_url": server.url}, questions(4))
    assert status == 0, job.errors
    assert time.monotonic() - begin >= 1
    assert [row["rating"] for row in job.rows()] == [2, 2, 2, 2]
    assert sum(server.completed.values()) == 4 and sum(server.calls.values()) == 4 + 1 + 2
    assert "4 calls now" in last and "40 + 12 tokens" in last

    status, last = job.run({"base_url": server.url}, questions(4), key=None)
    assert status == 0 and "0 calls now and 4 from the journal" in last
    assert sum(server.calls.values()) == 7


def test_a_reply_without_a_rating_is_asked_for_again_and_in_the_end_counted_as_null(job, endpoint):
    def fault(prompt, n):
        if "Question 0?" in prompt:
            return 200, {}, "I would rather not say."
        if "Question 1?" in prompt and n < 3:
            return 200, {}, ["", "Rating: [[5]]"][n - 1]
        return None

    server = endpoint(fault)
    status, last = job.run({"base_url": server.url, "retries": 2}, questions(3))
    assert status == 0, job.errors
    assert [(row["rating"], row["attempts"]) for row in job.rows()] == [(None, 3), (2, 3), (2, 1)]
    assert job.rows()[0]["explanation"] == "I would rather not say."
    assert job.rows()[0]["usage"] == {"prompt_tokens": 30, "completion_tokens": 9}
    assert "mean rating 2.00, 1 without a rating; 7 calls now" in last

    job.run({"base_url": server.url, "retries": 2}, questions(3))
    assert sum(server.calls.values()) == 7  # neither are replies without a rating paid for twice


def test_a_job_killed_at_work_asks_only_for_what_is_missing(job, endpoint):
    reached, go_on = threading.Event(), threading.Event()

    def fault(prompt, n):
        if "Question 3?" in prompt and not go_on.is_set():
            reached.set()
            go_on.wait(30)
            return 500, {}, "the caller is gone"
        return None

    server = endpoint(fault)
    process = job.start({"base_url": server.url, "concurrency": 1}, questions(6))
    assert reached.wait(30)
    process.kill()
    process.communicate()
    go_on.set()
    assert not job.output.exists()

    status, last = job.run({"base_url": server.url, "concurrency": 1}, questions(6))
    assert status == 0 and "3 calls now and 3 from the journal" in last
    assert set(server.completed.values()) == {1} and len(server.completed) == 6


def test_equal_prompts_share_one_call_and_dollar_signs_come_through(job, endpoint):
    rows = [
        response("en", "a", "Price in $ of ${response}?", "$5, ${instruction} or $$"),
        response("no", "a", "Price in $ of ${response}?", "$5, ${instruction} or $$"),
    ]
    server = endpoint()
    status, _ = job.run({"base_url": server.url}, rows)
    assert status == 0 and [row["lang"] for row in job.rows()] == ["en", "no"]
    (prompt,) = server.calls.elements()
    assert "[User instruction]\nPrice in $ of ${response}?\n\n" in prompt
    assert prompt.endswith("response]\n$5, ${instruction} or $$")


def test_the_api_key_reaches_the_endpoint_and_nothing_else(job, endpoint):
    server = endpoint(lambda prompt, n: (401, {}, f"wrong key {KEY}") if "1?" in prompt else None)
    process = job.start({"base_url": server.url}, questions(3))
    arguments = " ".join(process.args)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 1 and "AuthenticationError" in errors and "wrong key ***" in errors
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in errors + arguments
    files = [path for path in job.folder.rglob("*") if path.is_file()]
    assert job.journal in files and not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_missing_key_is_one_line_that_names_the_variable(job):
    judge = {"base_url": "http://127.0.0.1:9/v1"}
    assert job.run(judge, questions(1), key=None) == (
        1,
        "error: judge 'tested': no API key; set the environment variable OPENAI_API_KEY",
    )
    assert "variable SECRET_OF_OURS" in job.run(judge | {"key_env": "SECRET_OF_OURS"}, questions(1))[1]


@pytest.mark.parametrize(
    ("judge", "rows", "template", "message"),
    [
        ({"modle": "x"}, questions(1), None, "the key 'modle' is unknown"),
        ({}, questions(1), None, "give either 'base_url' or 'serve'"),
        ({"base_url": "http://x/v1"}, questions(1) * 2, None, "two responses for lang en, id 0"),
        ({"base_url": "http://x/v1"}, [{"lang": "en"}], None, "line 1: the field 'id' is missing"),
        ({"base_url": "http://x/v1"}, questions(1), "Rate ${response}!", "${instruction} and ${response}"),
        ({"serve": "no-such-command {port}"}, questions(1), None, "cannot start the server 'no-such-command'"),
    ],
)
def test_bad_input_is_one_line(job, judge, rows, template, message, tmp_path):
    options = {}
    if template:
        options["template"] = tmp_path / "template.txt"
        options["template"].write_text(template)
    status, last = job.run(judge, rows, **options)
    assert status == 1 and job.errors.count("\n") == 1 and last.startswith("error: ") and message in last


def test_requests_start_evenly_and_never_faster_than_allowed():
    pace = Pace(per_minute=1200)
    starts, threads = [], []
    for _ in range(9):
        threads.append(threading.Thread(target=lambda: (pace.wait(), starts.append(time.monotonic()))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert 8 * 0.05 <= max(starts) - min(starts) + 0.01 < 0.8


def test_the_rate_allowed_holds_for_the_clients_own_retries_too(job, endpoint):
    server = endpoint(lambda prompt, n: (500, {"Retry-After-Ms": 1}, "oops") if n == 1 else None)
    status, _ = job.run({"base_url": server.url, "requests_per_minute": 600}, questions(4))
    assert status == 0, job.errors
    assert len(server.times) == 8 and server.times[-1] - server.times[0] >= 7 * 0.1 - 0.05


# ---- a judge that the job serves, and that fails

SERVER = """
import http.server, json, os, sys, time
open({pid!r}, "w").write(str(os.getpid()))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{{"object": "list", "data": []}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        {on_post}
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def served(tmp_path):
    """A judge served by a Python program; the file that gets its process id."""
    pid = tmp_path / "server.pid"

    def judge(program):
        (tmp_path / "server.py").write_text(program.replace("PID", repr(str(pid))))
        return {"serve": f"python {tmp_path}/server.py {{port}}"}

    judge.pid = pid
    judge.posting = lambda action: judge(SERVER.format(pid=str(pid), on_post=action))
    return judge


def is_gone(pid_file, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stat = Path(f"/proc/{pid_file.read_text()}/stat")
        if not stat.exists() or ") Z " in stat.read_text():
            return True
        time.sleep(0.05)
    return False


def test_a_server_that_dies_before_it_answers_is_reported_with_the_end_of_its_log(job, served):
    status, last = job.run(served("import sys; sys.exit('out of memory')"), questions(1))
    assert status == 1 and "the server ended with status 1" in last and last.endswith("ends: out of memory")


def test_a_server_that_never_answers_is_reported_and_stopped(job, served):
    program = "import os, time; open(PID, 'w').write(str(os.getpid())); print('loading', flush=True); time.sleep(60)"
    status, last = job.run(served(program) | {"start_timeout": 0.5}, questions(1))
    assert status == 1 and "the server was not ready after 0.5 s" in last and last.endswith("ends: loading")
    assert is_gone(served.pid)


def test_a_server_that_dies_at_work_is_the_reason_given(job, served):
    judge = served.posting("print('CUDA error', flush=True); os._exit(7)")
    status, last = job.run(judge | {"retries": 1}, questions(2))
    assert status == 1 and "the server ended with status 7" in last and "CUDA error" in last


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; only Linux ends the children of a killed parent")
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_served_judge_ends_with_the_job_however_that_ends(job, served, sign, tmp_path):
    judge = served.posting(f"open({str(tmp_path / 'posted')!r}, 'w'); time.sleep(2)")
    process = job.start(judge | {"retries": 0}, questions(1))
    end = time.monotonic() + 20
    while not (tmp_path / "posted").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(sign)
    process.communicate(timeout=30)
    assert process.returncode != 0 and is_gone(served.pid)
