"""The judge's job by the Batch API against an endpoint that speaks it: as calls, killed in every phase, with faults."""

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import judge as judge_program
from basics.command_line import command_line
from basics.journal import Journal
from batch_endpoint import BatchEndpoint, serving
from judge import Judge
from judging.batches import Batches, byte_lines, request_line, split_into_files
from judging.settings import JudgeSettings
from serving.client import Garbled

KEY = "sk-never-to-be-seen-4712"
POLL = 0.05


class Job:
    """The judge's command line in a folder of its own, for questions `0` to `count - 1`."""

    def __init__(self, folder: Path, count: int = 6):
        self.folder, self.count = folder, count
        self.output, self.journal = folder / "ratings.jsonl", folder / "journal.jsonl"
        rows = (
            {"lang": "en", "id": str(n), "prompt": f"Question {n}?", "response": f"Odpověď\u2028{n}."}
            for n in range(count)
        )
        (folder / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "template.txt").write_text("Rate: ${instruction} ${response}\n")

    def command(self, url: str, **settings: object) -> list[str]:
        judge = {"name": "tested", "model": "m", "base_url": url, "api": "batch", "poll": POLL, "retries": 2, "seed": 5}
        command = [judge_program.__file__, "--responses", f"{self.folder}/responses.jsonl"]
        command += ["--template", f"{self.folder}/template.txt", "--judge", json.dumps(judge | settings)]
        return [*command, "--journal", str(self.journal), "--output", str(self.output)]

    def start(self, url: str, **settings: object) -> subprocess.Popen:
        """Run as a process of its own, to be killed."""
        command = [sys.executable, *self.command(url, **settings)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def run(self, url: str, **settings: object) -> tuple[int, str]:
        """Run to the end, in this process to be quick; return the exit status and the last line of stderr."""
        handler, arguments = signal.getsignal(signal.SIGTERM), sys.argv
        sys.argv = self.command(url, **settings)
        status, errors = 0, io.StringIO()
        try:
            with redirect_stderr(errors):
                command_line(judge_program.main)
        except SystemExit as end:  # its text is what Python would print
            errors.write(str(end))
            status = 1
        finally:
            signal.signal(signal.SIGTERM, handler)
            sys.argv = arguments
        self.errors = errors.getvalue()
        assert KEY not in self.errors
        return status, self.errors.rstrip().rpartition("\n")[2]

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.output.read_text("utf-8").split("\n") if line]

    def replies(self) -> int:
        return len(self.journal.read_bytes().splitlines()) if self.journal.exists() else 0


def prompt(n: int) -> str:
    return f"Rate: Question {n}? Odpověď\u2028{n}."


def unrated_at_first(prompt: str, seed: int | None) -> str:
    """Questions 1 and 4 are rated when asked with seed 6, question 2 never."""
    if "Question 2?" in prompt or (seed == 5 and ("Question 1?" in prompt or "Question 4?" in prompt)):
        return "I would rather not say."
    return "Rating: [[3]]"


@pytest.fixture(scope="module", autouse=True)
def key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        yield


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture
def endpoint():
    with serving(BatchEndpoint()) as server:
        yield server


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What a job makes that asks call by call, and nothing comes between."""
    job = Job(tmp_path_factory.mktemp("unbroken"))
    with serving(BatchEndpoint(unrated_at_first)) as server:
        assert job.run(server.url, api="calls")[0] == 0, job.errors
        assert not server.batches
    return job.output.read_bytes()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# ---- the same as calls


def test_batches_give_the_bytes_that_calls_give(job, endpoint, unbroken):
    endpoint.texts = unrated_at_first
    endpoint.shuffled = True
    status, last = job.run(endpoint.url)
    assert status == 0, job.errors
    assert job.output.read_bytes() == unbroken
    assert [(row["rating"], row["attempts"]) for row in job.rows()] == [
        (3, 1),
        (3, 2),
        (None, 3),
        (3, 1),
        (3, 2),
        (3, 1),
    ]
    assert "1 without a rating; 10 calls now and 0 from the journal" in last
    assert endpoint.keys == {f"Bearer {KEY}"}
    assert not any(KEY.encode() in path.read_bytes() for path in job.folder.iterdir())


def test_a_key_that_an_endpoint_repeats_is_cut_out_however_it_is_escaped(job, endpoint):
    endpoint.texts = lambda *_: f"Your key is {KEY}. Rating: [[2]]"
    endpoint.escaped = True
    assert job.run(endpoint.url)[0] == 0, job.errors
    assert "Your key is ***. Rating: [[2]]" in job.output.read_text()
    assert not any(KEY in json.dumps(json.loads(line)) for line in job.journal.read_text().splitlines())


def test_a_reply_without_a_rating_is_asked_for_in_the_next_round_with_the_next_seed(job, endpoint):
    endpoint.texts = unrated_at_first
    assert job.run(endpoint.url)[0] == 0
    assert endpoint.seeds == {prompt(n): {1: [5, 6], 2: [5, 6, 7], 4: [5, 6]}.get(n, [5]) for n in range(6)}
    rounds = [(batch["metadata"]["round"], len(endpoint.requests(batch))) for batch in endpoint.batches.values()]
    assert rounds == [("1", 6), ("2", 3), ("3", 1)]


def test_a_batch_is_a_file_of_requests_under_the_keys_of_the_journal(job, endpoint):
    assert job.run(endpoint.url, max_tokens=99, temperature=0.5)[0] == 0
    (batch,) = endpoint.batches.values()
    assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
    assert endpoint.names[batch["input_file_id"]] == f"{batch['metadata']['job']}-1.jsonl"
    lines = endpoint.requests(batch)
    assert [line["custom_id"] for line in lines] == [
        json.loads(line)["key"] for line in job.journal.read_text("utf-8").split("\n")[:-1]
    ]
    message = {"role": "user", "content": prompt(0)}
    assert lines[0] == {
        "custom_id": lines[0]["custom_id"],
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [message], "temperature": 0.5, "max_tokens": 99, "seed": 5},
    }


def test_what_calls_have_answered_is_not_asked_in_batches_nor_the_other_way_round(job, endpoint, tmp_path):
    (tmp_path / "fewer").mkdir()
    fewer = Job(tmp_path / "fewer", count=4)
    assert fewer.run(endpoint.url, api="calls")[0] == 0
    job.journal.write_bytes(fewer.journal.read_bytes())
    status, last = job.run(endpoint.url)
    assert status == 0 and "2 calls now and 4 from the journal" in last
    assert set(endpoint.tried) == {prompt(4), prompt(5)}
    status, last = job.run(endpoint.url, api="calls")
    assert status == 0 and "0 calls now and 6 from the journal" in last


# ---- killed in every phase


@pytest.mark.parametrize(
    ("phase", "nth", "replies"),
    [
        ("upload", 1, 0),  # before the upload is done
        ("create", 1, 0),  # when the batch is there and its creation not yet answered
        ("retrieve", 1, 0),  # when that is answered
        ("retrieve", 3, 0),  # while it waits
        ("half", 1, 1),  # in the middle of the journal
        ("list", 3, 6),  # between the rounds
        ("create", 2, 6),  # when the second round's batch is there
        ("half", 2, 7),  # in the middle of the second round's replies
    ],
)
def test_a_job_killed_in_any_phase_finds_its_batches_again_and_pays_for_nothing_twice(
    job, endpoint, unbroken, phase, nth, replies
):
    endpoint.texts = unrated_at_first
    reached = endpoint.hold(phase, nth)
    if phase == "retrieve":
        endpoint.hold("process")
    process = job.start(endpoint.url)
    assert reached.wait(20)
    wait_for(lambda: job.replies() >= replies)
    process.kill()
    process.communicate()
    assert not job.output.exists()
    endpoint.let_go()

    assert job.run(endpoint.url)[0] == 0, job.errors
    assert job.output.read_bytes() == unbroken
    assert set(endpoint.paid.values()) == {1} and len(endpoint.paid) == 10
    assert len(endpoint.batches) == 3


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_at_once_and_the_batch_goes_on_for_the_next_run(job, endpoint, sign):
    endpoint.hold("process")
    process = job.start(endpoint.url, poll=30)
    wait_for(lambda: endpoint.asked["create"])
    wait_for(lambda: endpoint.asked["process"])
    time.sleep(0.2)  # so that it sleeps
    begin = time.monotonic()
    process.send_signal(sign)
    errors = process.communicate(timeout=20)[1]
    assert time.monotonic() - begin < 5
    assert process.returncode == 128 + sign
    assert "stopped; unfinished batches continue at the endpoint, and the next run finds them" in errors
    assert "Traceback" not in errors

    endpoint.let_go()
    assert job.run(endpoint.url)[0] == 0
    assert len(endpoint.batches) == 1 and len(job.rows()) == 6


def test_batches_of_other_jobs_and_other_answers_of_ours_are_let_alone(job, endpoint, tmp_path):
    (tmp_path / "other").mkdir()
    other = Job(tmp_path / "other", count=3)
    for count in range(3):
        assert other.run(endpoint.url, seed=count)[0] == 0
    assert job.run(endpoint.url)[0] == 0
    assert len(endpoint.batches) == 4  # what is listed in pages of two


# ---- what goes wrong at the endpoint


def test_errors_that_pass_end_nothing_and_a_creation_whose_answer_was_lost_is_not_done_twice(job, endpoint, unbroken):
    endpoint.texts = unrated_at_first
    endpoint.troubles = {
        "upload": [503, "drop"],
        "create": ["drop", 500, "half"],
        "list": [429, "half", "page"],
        "retrieve": [500, 502, 503, 500, 429, 500, "page", "empty"],
        "download": ["half", 500, "drop"],
    }
    status, _ = job.run(endpoint.url)
    assert status == 0, job.errors
    assert job.output.read_bytes() == unbroken
    assert set(endpoint.paid.values()) == {1} and len(endpoint.batches) == 3
    assert not any(endpoint.troubles.values())
    assert "InternalServerError: " in job.errors and "trying again" in job.errors


def test_an_endpoint_that_fails_for_longer_than_patience_ends_the_job_and_the_next_finds_the_batch(job, endpoint):
    endpoint.troubles = {"retrieve": [500] * 1000}
    status, last = job.run(endpoint.url, patience=0.3)
    assert status == 1 and last.startswith("error: judge 'tested': InternalServerError: ")
    assert last.endswith("unfinished batches continue, and the next run finds them")
    endpoint.troubles = {}
    assert job.run(endpoint.url)[0] == 0
    assert len(endpoint.batches) == 1


def test_failed_requests_alone_are_asked_again_in_a_second_batch(job, endpoint):
    endpoint.fails = lambda prompt, n: (500, "oops") if n == 1 and ("1?" in prompt or "4?" in prompt) else None
    assert job.run(endpoint.url)[0] == 0, job.errors
    assert [len(endpoint.requests(batch)) for batch in endpoint.batches.values()] == [6, 2]
    assert set(endpoint.paid.values()) == {1} and len(endpoint.paid) == 6
    assert [batch["metadata"]["round"] for batch in endpoint.batches.values()] == ["1", "1"]


def test_what_a_batch_left_when_it_expired_is_asked_again(job, endpoint):
    endpoint.fails = lambda prompt, n: "batch_expired" if n == 1 and "0?" not in prompt else None
    assert job.run(endpoint.url)[0] == 0
    first, second = endpoint.batches.values()
    assert (first["status"], second["status"]) == ("expired", "completed")
    assert len(endpoint.requests(second)) == 5 and set(endpoint.paid.values()) == {1}


def test_a_request_that_always_fails_ends_the_job_with_its_error_and_what_was_answered_is_kept(job, endpoint):
    endpoint.fails = lambda prompt, n: (500, "the model\nis ill") if "3?" in prompt else None
    status, last = job.run(endpoint.url)
    assert status == 1 and last == (
        "error: judge 'tested': round 1: 1 requests have no answer after 3 batches (the model is ill);"
        " all answers are kept: run again for the rest"
    )
    assert [len(endpoint.requests(batch)) for batch in endpoint.batches.values()] == [6, 1, 1]
    endpoint.fails = lambda prompt, n: None
    status, last = job.run(endpoint.url)
    assert status == 0 and "1 calls now and 5 from the journal" in last
    assert len(endpoint.batches) == 4


def test_a_refused_prompt_is_named_and_asked_again_by_the_next_run_alone(job, endpoint):
    endpoint.fails = lambda prompt, n: (400, "too long") if "3?" in prompt else None
    status, last = job.run(endpoint.url)
    assert status == 0 and "1 without a rating (1 calls refused)" in last
    assert (job.rows()[3]["rating"], job.rows()[3]["explanation"]) == (None, "refused: too long")
    assert len(endpoint.batches) == 1 and job.replies() == 5
    endpoint.fails = lambda prompt, n: None
    assert job.run(endpoint.url)[0] == 0, job.errors
    assert [len(endpoint.requests(batch)) for batch in endpoint.batches.values()] == [6, 1]


def test_a_batch_that_is_not_valid_is_one_line_and_no_obstacle_once_that_is_mended(job, endpoint):
    endpoint.invalid = "Enqueued token limit reached for m"
    status, last = job.run(endpoint.url)
    assert status == 1 and last == "error: judge 'tested': batch batch_0 failed: Enqueued token limit reached for m"
    endpoint.invalid = ""
    assert job.run(endpoint.url)[0] == 0
    assert len(endpoint.batches) == 2


def test_a_batch_that_somebody_cancelled_is_not_created_anew_by_this_run(job, endpoint):
    endpoint.cancelled = True
    status, last = job.run(endpoint.url)
    assert status == 1 and "batch batch_0 was cancelled; all answers are kept" in last
    assert len(endpoint.batches) == 1 and job.replies() == 3
    endpoint.cancelled = False
    assert job.run(endpoint.url)[0] == 0
    assert set(endpoint.paid.values()) == {1} and len(endpoint.paid) == 6


def test_lines_that_are_torn_strange_or_double_are_passed_by_and_named(job, endpoint):
    foreign = {"custom_id": "f" * 32, "response": {"status_code": 200, "body": {}}, "error": None}
    endpoint.extra_lines = [
        b'{"custom_id": "to',
        b"\xff\xfe",
        b"[]",
        b"",
        b'{"custom_id": []}',
        b'{"custom_id": ' + b"[" * 100_000,
        json.dumps(foreign).encode(),
    ]
    assert job.run(endpoint.url)[0] == 0
    assert "batch batch_0: 4 lines of its file file-1 are not JSON objects (line 1, 2, 3, 6)" in job.errors
    assert job.replies() == 6

    (batch,) = endpoint.batches.values()
    first, *_ = endpoint.files[batch["output_file_id"]].split(b"\n")[7:]
    endpoint.files[batch["output_file_id"]] = first + b"\n" + first.replace(b"Rating", b"Second") + b"\n"
    rating = job.rows()[0]
    job.journal.unlink()
    assert job.run(endpoint.url)[0] == 0
    assert job.rows()[0] == rating and job.replies() == 6


def test_results_that_are_gone_are_asked_again(job, endpoint):
    assert job.run(endpoint.url)[0] == 0
    job.journal.unlink()
    endpoint.files.pop("file-1")
    endpoint.files["spare"] = b""  # so that no number is given twice
    assert job.run(endpoint.url)[0] == 0
    assert "its file file-1 is gone; its requests are sent again" in job.errors
    assert len(endpoint.batches) == 2


def test_an_answer_that_is_not_a_chat_completion_is_asked_for_again_in_another_batch(job, endpoint):
    complete, first = endpoint.completion, set()
    endpoint.completion = lambda body: complete(body) if new(first, json.dumps(body)) else []
    assert job.run(endpoint.url)[0] == 0, job.errors
    assert len(endpoint.batches) == 2
    assert {row["attempts"] for row in job.rows()} == {1}


def new(seen: set, item: str) -> bool:
    """Whether an item was seen before; it has been from now on."""
    was_seen = item in seen
    seen.add(item)
    return was_seen


def test_a_parameter_that_the_endpoint_does_not_take_ends_the_job_with_the_key_to_change(job, endpoint):
    endpoint.fails = lambda prompt, n: (400, "Unrecognized request argument supplied: max_tokens")
    status, last = job.run(endpoint.url)
    assert status == 1 and last.endswith("set length_limit: max_completion_tokens") and not job.output.exists()


def test_a_job_whose_every_prompt_is_refused_is_one_line(job, endpoint):
    endpoint.fails = lambda prompt, n: (400, "no such model")
    status, last = job.run(endpoint.url)
    assert status == 1 and "each of 6 calls was refused: no such model" in last and not job.output.exists()


def test_repeats_are_asked_in_one_batch_each_under_its_seed_and_give_what_calls_give(job, endpoint):
    endpoint.texts = unrated_at_first
    assert job.run(endpoint.url, repeats=2, api="calls")[0] == 0, job.errors
    by_calls = job.output.read_bytes()
    job.journal.unlink()
    assert job.run(endpoint.url, repeats=2)[0] == 0, job.errors
    assert job.output.read_bytes() == by_calls
    first, *_ = endpoint.batches.values()
    assert [line["body"]["seed"] for line in endpoint.requests(first)] == [5, 8] * 6


def test_repeats_that_are_added_while_a_batch_is_under_way_do_not_ask_for_its_replies_again(job, endpoint):
    reached = endpoint.hold("process")
    process = job.start(endpoint.url)
    assert reached.wait(20)
    process.kill()
    process.communicate()
    endpoint.let_go()
    assert job.run(endpoint.url, repeats=2)[0] == 0, job.errors
    assert [len(endpoint.requests(batch)) for batch in endpoint.batches.values()] == [6, 6]
    assert set(endpoint.paid.values()) == {1} and len(endpoint.paid) == 12


@pytest.mark.parametrize("status", [404, 405])
def test_an_endpoint_without_batches_is_one_line_that_says_so(job, endpoint, status):
    endpoint.troubles = {"list": [status]}
    assert job.run(endpoint.url) == (
        1,
        f"error: judge 'tested': {endpoint.url} has no Batch API ({status}); use api: calls",
    )


def test_a_wrong_key_is_one_line_without_it(job, endpoint):
    endpoint.troubles = {"list": [401]}
    status, last = job.run(endpoint.url)
    assert status == 1 and "AuthenticationError" in last and "\n" not in job.errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api": "batches"}, "api is 'batches', which is not calls or batch"),
        ({"base_url": None, "serve": "x {port}"}, "api batch is for an endpoint at base_url"),
    ],
)
def test_settings_that_cannot_be_are_one_line(job, settings, message):
    status, last = job.run("https://x/v1", **settings)
    assert status == 1 and message in last and "\n" not in job.errors


def test_a_batch_that_could_pass_the_budget_is_not_created(job, endpoint):
    """A request is bounded by the prompt's bytes, 64 more, and max_tokens."""
    price = {"prompt": 1.0, "completion": 1.0}
    bound = sum(len(prompt(n).encode()) + 64 + 512 for n in range(job.count)) / 1e6
    status, last = job.run(endpoint.url, price=price, budget=bound * 0.99)
    assert status == 1 and f"a batch of 6 requests could cost ${bound:.4f}, and $0.0000 of the budget" in last
    assert not endpoint.paid
    assert job.run(endpoint.url, price=price, budget=bound)[0] == 0
    assert set(endpoint.paid.values()) == {1} and len(job.rows()) == job.count


# ---- large rounds


def test_a_round_that_is_too_large_for_one_batch_is_put_into_several(endpoint, tmp_path):
    settings = JudgeSettings("tested", "m", endpoint.url, api="batch", poll=POLL, retries=0)
    with Journal(tmp_path / "journal.jsonl") as journal:
        judge = Judge(settings, journal)
        bodies = {f"key-{n}": {"messages": [{"content": f"{n}"}]} for n in range(7)}

        def wanted(_: int) -> dict:
            return {key: body for key, body in bodies.items() if key not in journal}

        def keep(key: str, completion: object) -> None:
            journal[key] = completion["id"]

        assert Batches(judge.settings, KEY, "job", wanted, keep, lines=3).ask() == {}
        assert len(journal) == 7
    made = [(batch["metadata"]["part"], len(endpoint.requests(batch))) for batch in endpoint.batches.values()]
    assert made == [("1", 3), ("2", 3), ("3", 1)]


def test_parts_hold_no_more_lines_and_bytes_than_allowed_and_all_requests_in_order():
    requests = {f"{n:02}": {"text": "é" * (n % 5)} for n in range(20)}
    lines = [request_line(*request) for request in requests.items()]
    by_lines = list(split_into_files(requests, lines=8, size=10**6))
    assert [len(part) for part in by_lines] == [8, 8, 4] and [*chain(*by_lines)] == lines
    by_bytes = list(split_into_files(requests, lines=100, size=250))
    assert all(sum(map(len, part)) <= 250 for part in by_bytes) and [*chain(*by_bytes)] == lines
    assert list(split_into_files(requests, lines=100, size=1)) == [[line] for line in lines]
    assert list(split_into_files({})) == []


@given(st.lists(st.binary(max_size=5)))
def test_lines_are_the_same_however_the_stream_is_cut(chunks):
    content = b"".join(chunks)
    whole = content.split(b"\n")
    assert list(byte_lines(chunks, longest=len(content))) == (whole if whole[-1] else whole[:-1])


def test_a_line_without_an_end_is_no_line():
    lines = byte_lines(chain([b"{}\n"], repeat(b" " * 100)), longest=1_000)
    assert next(lines) == b"{}"
    with pytest.raises(Garbled, match="a line of more than 1,000 bytes"):
        next(lines)
