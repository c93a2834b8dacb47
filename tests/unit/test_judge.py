"""The judge's job over real HTTP: against the stand-in that it serves itself, and against an endpoint with faults."""

import contextlib
import email.utils
import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from basics.errors import InputError
from judge import Question, rate_all
from judge_endpoint import RATED, chaos, started, transport_faults
from judge_job import KEY, SCRIPTS, TEMPLATE, Job, questions, response, write_rows
from judging import settings as judge_settings
from judging.ledger import Stopped

REPOSITORY = Path(__file__).resolve().parents[2]
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
    fields = ["lang", "id", "repeat", "rating", "explanation", "attempts", "finish", "model", "fingerprint", "usage"]
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
def ask(tmp_path_factory):
    """Status and body that a served stand-in answers to a GET of a path, or a POST of bytes or of a value as JSON."""
    from serving.server import LocalServer

    folder = tmp_path_factory.mktemp("stand-in")
    references = write_rows(folder / "references.jsonl", REFERENCES)
    command = ["python", str(SCRIPTS / "stand_in_judge.py"), "--references", str(references), "--port", "{port}"]
    with LocalServer(command, folder / "log") as server:

        def ask(path, body=None, key=server.key):
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            url, headers = f"http://127.0.0.1:{server.port}/v1{path}", {"Authorization": f"Bearer {key}"}
            try:
                with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()
            except OSError:
                return None, b""

        server.wait(lambda: ask("/models")[0] == 200, timeout=10)
        yield ask


def asked(instruction, text, **others):
    prompt = FIGURE_1.replace("${instruction}", instruction).replace("${response}", text)
    return {"model": "stand-in", "messages": [{"role": "user", "content": prompt}]} | others


def test_the_stand_in_lists_its_model_and_gives_equal_requests_equal_bytes(ask):
    assert json.loads(ask("/models")[1])["data"][0]["id"] == "stand-in"
    request = asked("What is the cat?", "A small animal.")
    first, second = (ask("/chat/completions", request) for _ in range(2))
    assert first[0] == 200 and first == second


@pytest.mark.parametrize("path", ["/models", "/chat/completions"])
def test_the_stand_in_answers_none_but_those_who_have_its_key(ask, path):
    body = None if path == "/models" else asked("What is the cat?", "A small animal.")
    status, answer = ask(path, body, key="another")
    assert status == 401 and "has a key" in json.loads(answer)["error"]["message"]


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
def test_the_stand_in_refuses_with_the_error_object_of_the_protocol(ask, path, body, status, message):
    got, answer = ask(path, body)
    assert got == status
    assert message in json.loads(answer)["error"]["message"]


def test_the_stand_in_refuses_a_prompt_that_is_not_of_figure_1(ask):
    request = {"model": "stand-in", "messages": [{"role": "user", "content": "Hello!"}]}
    status, answer = ask("/chat/completions", request)
    assert status == 400 and "template of Figure 1" in json.loads(answer)["error"]["message"]


def test_the_stand_in_says_that_it_is_one():
    command = [sys.executable, str(SCRIPTS / "stand_in_judge.py"), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "stand-in" in said and "NOT a language model" in said


# ---- an endpoint with faults


@pytest.fixture
def endpoint():
    """Start endpoints with the faults given; they end with the test."""
    with contextlib.ExitStack() as servers:
        yield lambda *fault, **options: servers.enter_context(started(*fault, **options))


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


def seeded(server, **others):
    """A judge at the endpoint; its seed makes an attempt known to the endpoint: the first is sent 0, the second 1."""
    return {"base_url": server.url, "seed": 0, "timeout": 1.5} | others


def test_whatever_an_endpoint_does_every_response_has_a_rating_or_a_null_that_is_counted(job, endpoint):
    server = endpoint(chaos(seed=1), hang=2.5)
    status, last = job.run(seeded(server, retries=2), questions(150))
    assert status == 0, job.errors
    rows = job.rows()
    assert len(rows) == 150 and {row["rating"] for row in rows} == {1, 2, 3, None}
    refused = [row for row in rows if row["explanation"].startswith("refused: ")]
    assert 0 < len(refused) < 20 and all("content filter" in row["explanation"] for row in refused)
    assert all((row["rating"], row["attempts"]) == (None, 0) for row in refused)

    assert max(server.asked.values()) == 1, "no attempt is completed, and paid for, twice"
    assert server.held == 0 and sum(server.asked.values()) == sum(row["attempts"] for row in rows)
    replies = {int(prompt.split("Question ")[1].split("?")[0]): [] for prompt, _ in server.replies}
    for (prompt, _), text in sorted(server.replies.items(), key=lambda entry: entry[0][1]):
        replies[int(prompt.split("Question ")[1].split("?")[0])].append(RATED.get(text))
    for row in rows:
        said = replies.get(int(row["id"]), [])
        assert row["attempts"] == len(said) and row["rating"] == (said[-1] if said else None)
        assert row["rating"] is not None or len(said) in (0, 3)
    assert any("half a pair" in row["explanation"] for row in rows) or "half a pair" in job.journal.read_text("utf-8")

    unrated = sum(row["rating"] is None for row in rows)
    assert (
        f"150 responses, mean rating {mean(rows):.2f}, {unrated} without a rating ({len(refused)} calls refused, "
        in last
    )
    assert f"; {sum(server.asked.values())} calls now and 0 from the journal, " in last

    _, last = job.run(seeded(server, retries=2), questions(150))
    assert f"; 0 calls now and {sum(server.asked.values())} from the journal" in last, (
        "only the refused are asked again"
    )


def mean(rows):
    rated = [row["rating"] for row in rows if row["rating"] is not None]
    return sum(rated) / len(rated)


def wait_until(happened, process=None, seconds=30):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(0.005)


def test_killed_ten_times_while_calls_fail_it_pays_for_no_reply_twice(job, endpoint):
    """SIGTERM may come at any moment. After SIGKILL a reply is lost that had arrived and was not yet in the journal, at
    most one a thread: so that the numbers are exact, the endpoint holds back replies for the moment of the kill."""
    server = endpoint(transport_faults(seed=2), delay=0.03, hang=2.0)
    judge, rows, chance = seeded(server, concurrency=4), questions(200), random.Random(3)
    kills = [signal.SIGKILL] * 5 + [signal.SIGTERM] * 5
    chance.shuffle(kills)
    for kill in kills:
        process = job.start(judge, rows)
        target = sum(server.completed.values()) + chance.randint(1, 15)
        wait_until(lambda target=target: sum(server.completed.values()) >= target, process)
        if kill == signal.SIGKILL:
            server.close_gate()
            completed = sum(server.completed.values())
            wait_until(lambda n=completed: job.journal.read_bytes().count(b"\n") == n and server.held > 0, process)
        process.send_signal(kill)
        process.communicate(timeout=30)
        server.gate.set()
        assert process.returncode == (-kill if kill == signal.SIGKILL else 128 + kill)
        wait_until(lambda: server.held == 0)
        assert not job.output.exists()
    assert sum(server.completed.values()) < 200, "all kills came while there was work"

    status, _ = job.run(judge, rows)
    assert status == 0, job.errors
    assert sum(server.completed.values()) == 200 and set(server.completed.values()) == {1}
    assert [row["rating"] for row in job.rows()] == [2] * 200


def test_a_signal_lets_calls_under_way_end_and_starts_no_more(job, endpoint):
    server = endpoint()
    server.close_gate()
    process = job.start(seeded(server, concurrency=3, timeout=30), questions(9))
    wait_until(lambda: server.held == 3, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # a terminal sends one, Snakemake the other
    assert any("ending; calls in progress have 20 s" in line for line in process.stderr)
    server.gate.set()
    process.communicate(timeout=30)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert sum(server.calls.values()) == sum(server.completed.values()) == 3
    _, last = job.run(seeded(server, concurrency=3), questions(9))
    assert "6 calls now and 3 from the journal" in last


def test_every_response_is_rated_as_often_as_asked_and_repeats_join_a_journal_without_them(job, endpoint):
    server = endpoint(lambda prompt, n: (200, {}, f"Rating: [[{n}]]"))
    once = seeded(server, concurrency=1, retries=3)
    job.run(once, questions(2))
    assert [(row["id"], row["repeat"], row["rating"]) for row in job.rows()] == [("0", 1, 1), ("1", 1, 1)]

    status, last = job.run(once | {"repeats": 3}, questions(2))
    assert status == 0 and "2 responses rated 3 times, mean rating 2.00, 0 without" in last
    assert "4 calls now and 2 from the journal" in last
    assert [(row["id"], row["repeat"], row["rating"]) for row in job.rows()] == [
        (id, repeat, repeat) for id in "01" for repeat in (1, 2, 3)
    ]
    assert {seed for _, seed in server.asked} == {0, 4, 8}, "of four attempts each"


def test_what_does_not_matter_to_a_reply_does_not_matter_to_the_journal(job, endpoint):
    server = endpoint()
    job.run({"base_url": server.url}, questions(3))
    others = {
        "repeats": 1,
        "retries": 7,
        "concurrency": 2,
        "requests_per_minute": 10,
        "tokens_per_minute": 100,
        "timeout": 3,
        "patience": 5,
        "start_timeout": 9,
        "price": {"prompt": 1, "completion": 2},
        "budget": 0.01,
        "api": "calls",
        "poll": 5,
        "key_env": "ANOTHER",
        "name": "renamed",
    }
    status, last = job.run({"base_url": server.url} | others, questions(3), key=None)
    assert status == 0 and "0 calls now and 3 from the journal" in last and last.endswith("30 + 9 tokens, $0.0000")


def test_the_key_of_a_reply_is_that_of_journals_that_are_there():
    settings = judge_settings.JudgeSettings(name="n", model="m", base_url="http://x/v1", seed=7, key_env="ANOTHER_KEY")
    depends = judge_settings.determinants(settings)
    assert judge_settings.reply_key(depends, "What?", attempt=2, repeat=1) == "0471af05188dcda10f6d0037962153b1"


def test_what_earlier_versions_kept_of_errors_as_replies_is_asked_for_again_once_and_told(job, endpoint):
    server = endpoint()
    assert job.run(seeded(server), questions(3))[0] == 0
    first, second, third = map(json.loads, job.journal.read_text().splitlines())
    nothing = {"text": "", "model": None, "fingerprint": None, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    first["value"] = nothing | {"bound": {"prompt_tokens": 700, "completion_tokens": 512}, "at": 1.0}
    del second["value"]["finish"]  # an answer of an earlier version
    write_rows(job.journal, [first, second, third])
    status, last = job.run(seeded(server), questions(3))
    assert status == 0 and "0 without a rating; 1 calls now and 2 from the journal" in last
    assert f"{job.journal}: 1 entries are not answers and are asked for again" in job.errors
    status, last = job.run(seeded(server), questions(3))
    assert "0 calls now and 3 from the journal" in last and "are not answers" not in job.errors


def test_an_endpoint_that_goes_on_failing_ends_the_job_in_a_line_and_keeps_what_was_under_way(job, endpoint):
    failing = [True]

    def fault(prompt, n):
        return (503, {}, "down for maintenance") if failing[0] and "Question 2?" in prompt else None

    server = endpoint(fault, delay=0.2)
    status, last = job.run(seeded(server, patience=1, concurrency=3, retries=0), questions(30))
    assert status == 1 and "no answer in 1 s (patience): InternalServerError: " in last and "maintenance" in last
    completed = sum(server.completed.values())
    assert 0 < completed < 30 and not job.output.exists()
    failing[0] = False
    _, last = job.run(seeded(server), questions(30))
    assert f"{30 - completed} calls now and {completed} from the journal" in last


def test_the_failure_that_stops_the_others_is_the_one_that_is_raised():
    settings = judge_settings.JudgeSettings("tested", "m", "https://x/v1", concurrency=2)

    class Stop(threading.Event):
        def set(self):
            if not self.is_set():
                super().set()
                time.sleep(0.2)  # so that the other thread is done with being stopped

    ask = SimpleNamespace(stop=Stop())

    def rate(question):
        if question.prompt == "fails":
            raise InputError("the reason")
        ask.stop.wait(10)
        raise Stopped

    with pytest.raises(InputError, match="the reason"):
        rate_all([Question("waits", 1), Question("fails", 1)], rate, ask, settings)


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_asks_for_no_wait_is_not_called_in_a_row(job, endpoint, status):
    server = endpoint(lambda prompt, n: (status, {"Retry-After": 0}, "busy"))
    assert job.run({"base_url": server.url, "patience": 2}, questions(1))[0] == 1
    assert 2 <= sum(server.calls.values()) <= 6, "pauses double"


def test_a_wait_beyond_patience_is_not_begun(job, endpoint):
    server = endpoint(lambda prompt, n: (429, {"Retry-After": "3600"}, "come back tomorrow"))
    begin = time.monotonic()
    status, last = job.run(seeded(server), questions(3))
    assert status == 1 and "come back tomorrow" in last and time.monotonic() - begin < 15


def test_retry_after_holds_all_callers_and_may_be_a_date(job, endpoint):
    def fault(prompt, n):
        if "Question 0?" in prompt and n == 1:
            return 429, {"Retry-After": email.utils.formatdate(time.time() + 3, usegmt=True)}, "slow down"
        return None

    server = endpoint(fault, delay=0.1)
    status, _ = job.run(seeded(server, concurrency=2), questions(20))
    assert status == 0, job.errors
    pauses = sorted(late - early for early, late in itertools.pairwise(server.times))
    assert pauses[-1] >= 1.5 > pauses[-2], "a date has whole seconds"


def test_an_account_without_credit_is_not_waited_for(job, endpoint):
    quota = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    server = endpoint(lambda prompt, n: (429, {}, quota))
    status, last = job.run(seeded(server), questions(3))
    assert status == 1 and "RateLimitError: " in last and "exceeded your current quota" in last


@pytest.mark.parametrize(("status", "name"), [(401, "Authentication"), (403, "PermissionDenied"), (404, "NotFound")])
def test_what_would_be_said_against_every_call_ends_the_job_at_once(job, endpoint, status, name):
    server = endpoint(lambda prompt, n: (status, {}, "not you"))
    returned, last = job.run(seeded(server, concurrency=2), questions(30))
    assert returned == 1 and f"the call failed: {name}Error: " in last and sum(server.calls.values()) <= 4


def test_a_refused_prompt_is_null_and_asked_again_by_the_next_job(job, endpoint):
    refusing = [True]
    server = endpoint(lambda prompt, n: (413, {}, "too long") if refusing[0] and "Question 1?" in prompt else None)
    status, last = job.run(seeded(server), questions(3))
    assert status == 0 and "mean rating 2.00, 1 without a rating (1 calls refused); 2 calls now" in last
    assert [row["rating"] for row in job.rows()] == [2, None, 2]
    assert job.rows()[1]["explanation"].startswith("refused: ") and "too long" in job.rows()[1]["explanation"]
    assert job.run(seeded(server), questions(3))[0] == 0, "others were accepted, though not now"
    refusing[0] = False
    status, last = job.run(seeded(server), questions(3))
    assert "0 without a rating; 1 calls now and 2 from the journal" in last


@pytest.mark.parametrize(("responses", "calls"), [(4, 4), (40, 10)])
def test_an_endpoint_that_refuses_all_ends_the_job(job, endpoint, responses, calls):
    server = endpoint(lambda prompt, n: (400, {}, "unknown parameter: max_tokens"))
    status, last = job.run(seeded(server, concurrency=1), questions(responses))
    assert status == 1 and f"each of {calls} calls was refused: " in last and "unknown parameter" in last
    assert sum(server.calls.values()) == calls and not job.output.exists()


PRICE = {"prompt": 10, "completion": 30}  # a call of USAGE costs $0.00019, and may cost some $0.03


def dollars(server):
    return sum(server.charged[f"{part}_tokens"] * PRICE[part] for part in PRICE) / 1e6


def test_a_budget_is_never_passed_and_a_raised_one_pays_for_the_rest_alone(job, endpoint):
    server = endpoint()
    judge = seeded(server, price=PRICE, concurrency=2, max_tokens=16)
    other = job.folder / "journals" / "other.jsonl"
    spent = {"usage": {"prompt_tokens": 1000, "completion_tokens": 0}}
    other.parent.mkdir()
    write_rows(other, [{"key": "x", "value": spent}, {"key": "y", "value": spent}])

    status, last = job.run(judge | {"budget": 0.0425}, questions(80), spent_in=other.parent)
    completed = sum(server.completed.values())
    assert status == 1 and 0 < completed < 80
    assert dollars(server) <= 0.0425 - 0.02
    assert last == (
        "error: judge 'tested': the next call could exceed the budget of $0.0425:"
        f" ${0.02 + dollars(server):.4f} spent, {80 - completed} ratings of this run left;"
        " raise judges.tested.budget and run again"
    )
    status, last = job.run(judge | {"budget": 1}, questions(80), spent_in=other.parent)
    assert status == 0 and f"{80 - completed} calls now and {completed} from the journal" in last
    assert last.endswith(f"800 + 240 tokens, ${80 * 0.00019:.4f}")
    assert set(server.completed.values()) == {1}


def test_a_budget_holds_between_jobs_where_the_endpoint_does_not_say_what_a_call_used(job, endpoint, tmp_path):
    said = b'{"choices": [{"message": {"role": "assistant", "content": "Rating: [[2]]"}}]}'
    server = endpoint(lambda prompt, n: (200, {}, said))
    judge = {"base_url": server.url, "price": {"prompt": 0, "completion": 1000}, "max_tokens": 1000, "budget": 3.5}
    folder = tmp_path / "journals"
    job.journal = folder / "one.jsonl"
    assert job.run(judge, questions(3), spent_in=folder)[0] == 0
    assert job.rows()[0]["usage"] == {"prompt_tokens": 0, "completion_tokens": 0}
    job.journal = folder / "another.jsonl"
    status, last = job.run(judge, questions(3), spent_in=folder)
    assert status == 1 and "the budget of $3.5: $3.0000 spent, 3 ratings of this run left" in last
    assert sum(server.calls.values()) == 3


def test_the_api_key_reaches_the_endpoint_and_nothing_else(job, endpoint):
    """Not even where the endpoint says it back, in errors and in replies, or the client is asked to log all."""

    def fault(prompt, n):
        if "Question 1?" in prompt and n == 1:
            return 500, {"X-Echo": f"Bearer {KEY}", "Retry-After-Ms": 1}, f"you sent Authorization: Bearer {KEY}"
        if "Question 2?" in prompt:
            return 400, {}, f"refused with key {KEY}"
        if "Question 3?" in prompt:
            return 401, {}, f"wrong key {KEY}"
        return 200, {}, f"Your key is {KEY}. Rating: [[2]]"

    server = endpoint(fault)
    server.close_gate()
    process = job.start(seeded(server), questions(3), OPENAI_LOG="debug")
    wait_until(lambda: server.held == 2, process)
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert KEY.encode() not in command.read_bytes()
    server.gate.set()
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 0, errors
    assert [row["explanation"] for row in job.rows()][:2] == ["Your key is ***. Rating: [[2]]"] * 2
    status, last = job.run(seeded(server), questions(4), OPENAI_LOG="debug")
    assert status == 1 and "AuthenticationError" in last and "wrong key ***" in last
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in errors + job.errors + " ".join(process.args)
    files = [path for path in job.folder.rglob("*") if path.is_file()]
    assert job.journal in files and not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_missing_key_is_one_line_that_names_the_variable(job):
    judge = {"base_url": "http://127.0.0.1:9/v1"}
    assert job.run(judge, questions(1), key=None) == (
        1,
        "error: judge 'tested': no API key; set the environment variable OPENAI_API_KEY",
    )
    assert "variable SECRET_OF_OURS" in job.run(judge | {"key_env": "SECRET_OF_OURS"}, questions(1))[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_asked_for_what_is_on_this_machine(job, endpoint, host):
    server = endpoint()
    url = server.url.replace("127.0.0.1", host)
    status, _ = job.run(
        {"base_url": url}, questions(1), http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9"
    )
    assert status == 0, job.errors


@pytest.mark.parametrize("key", ["“sk-4711”", "sk-47\r11", "sk-47\n11"])
def test_a_key_that_no_header_can_hold_is_one_line_without_it_and_no_reply(job, endpoint, key):
    server = endpoint()
    status, last = job.run({"base_url": server.url}, questions(1), key=key)
    assert status == 1 and job.errors.count("\n") == 1
    assert "the API key in the environment variable OPENAI_API_KEY holds a character" in last and "47" not in last
    assert not server.calls and not job.journal.read_bytes() and not job.output.exists()


@pytest.mark.parametrize(
    ("judge", "rows", "template", "message"),
    [
        ({"modle": "x"}, questions(1), None, "the key 'modle' is unknown"),
        ({}, questions(1), None, "give exactly one of base_url or serve"),
        ({"base_url": "https://x/v1", "budget": 5}, questions(1), None, "budget needs price, US dollars"),
        ({"base_url": "https://x/v1", "price": {"prompt": 1}}, questions(1), None, "price needs prompt and completion"),
        ({"base_url": "https://x/v1", "repeats": 0}, questions(1), None, "repeats is 0; it must be at least 1"),
        ({"base_url": "http://x/v1"}, questions(1), None, "the key in OPENAI_API_KEY would go there unencrypted"),
        ({"base_url": "https://me:secret@x/v1"}, questions(1), None, "base_url has a user name or a password before"),
        ({"base_url": "https://x/v1", "api": "mail"}, questions(1), None, "api is 'mail', which is not calls or batch"),
        ({"base_url": "https://x/v1"}, questions(1) * 2, None, "two responses for lang en, id 0"),
        ({"base_url": "https://x/v1"}, [{"lang": "en"}], None, "line 1: the field 'id' is missing"),
        ({"base_url": "https://x/v1"}, [response("en", "a", "?", None)], None, "id a: the response is missing or"),
        ({"base_url": "https://x/v1"}, questions(1), "Rate ${response}!", "${instruction} and ${response}"),
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


def test_the_rate_allowed_holds_for_calls_that_are_repeated_too(job, endpoint):
    server = endpoint(lambda prompt, n: (500, {"Retry-After-Ms": 1}, "oops") if n == 1 else None)
    status, _ = job.run({"base_url": server.url, "requests_per_minute": 600}, questions(4))
    assert status == 0, job.errors
    _, second, *_, last = server.times  # not the first, for which the server may still be getting ready
    assert len(server.times) == 8 and last - second >= 6 * 0.1 - 0.05


def test_tokens_of_the_job_before_count_in_the_limit_of_the_next(job, endpoint):
    server = endpoint()
    other = job.folder / "journals"
    job.journal = other / "one.jsonl"
    job.run(seeded(server), questions(2), spent_in=other)
    job.journal = other / "another.jsonl"
    process = job.start(seeded(server, tokens_per_minute=100), questions(3), spent_in=other)
    wait_until(job.journal.exists, process)
    time.sleep(2)
    assert sum(server.calls.values()) == 2, "a call that may use more than all of them waits for the minute to pass"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert process.returncode == 128 + signal.SIGTERM


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


def test_a_served_judge_has_no_api_key_in_its_environment(job, served, tmp_path):
    judge = served(f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'seen')!r}, 'w'))")
    judge |= {"key_env": "OURS", "secrets": ["OPENAI_API_KEY", "ANOTHER_JUDGES"]}
    keys = dict.fromkeys(("OURS", "ANOTHER_JUDGES", "OPENAI_API_KEY"), "secret")
    job.run(judge, questions(1), HARMLESS="1", **keys)
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["HARMLESS"] == "1" and "secret" not in seen.values()


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
