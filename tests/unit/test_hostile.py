"""An endpoint that means harm, or is broken in an uncommon way: no call outlasts its time, and no answer its size."""

import contextlib
import time

import pytest

from judge_endpoint import DRIPS, FLOODS, packed_gigabyte, started
from judge_job import KEY, Job, questions
from training.instruments import peak_resident_memory

LARGEST = 400  # MB of memory


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


def ended(process):
    """Exit status, the last line of stderr, and the most memory in MB of a job, at its end."""
    memory = 0.0
    while process.poll() is None:
        memory = max(memory, high_water(process.pid))
        time.sleep(0.01)
    return process.returncode, process.stderr.read().splitlines()[-1], memory


def high_water(pid):
    """The most memory in MB that a process has had so far; 0 if it has just ended."""
    with contextlib.suppress(OSError, IndexError):
        return peak_resident_memory(pid) / 2**20
    return 0.0


@pytest.mark.parametrize("answer", DRIPS, ids=lambda answer: answer.__name__)
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_comes_in_drips_is_a_call_that_took_too_long(job, answer, status):
    with started(lambda prompt, n: (status, {}, answer)) as server:
        judge = {"base_url": server.url, "timeout": 0.7, "patience": 0.2}
        assert job.run(judge, questions(1)) == (
            1,
            "error: judge 'tested': no answer in 0.2 s (patience): APITimeoutError: Request timed out.",
        )
        assert sum(server.calls.values()) == 1


@pytest.mark.parametrize("answer", FLOODS, ids=lambda answer: answer.__name__)
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (200, "APIConnectionError: Connection error. (a response of more than 262,144 bytes)"),
        (400, "calls was refused: Error code: 400"),
        (500, "InternalServerError: Error code: 500"),
    ],
)
def test_an_answer_that_is_far_too_long_is_not_taken_into_memory(job, answer, status, why):
    packed_gigabyte()
    with started(lambda prompt, n: (status, {}, answer)) as server:
        judge = {"base_url": server.url, "timeout": 20, "patience": 0.2}
        code, last, memory = ended(job.start(judge, questions(8)))
    assert code == 1 and why in last and memory < LARGEST
    written = [path for path in (job.journal, job.output) if path.exists()]
    assert all(path.stat().st_size < 100_000 for path in written)


def test_an_answer_of_very_many_choices_takes_no_more_than_its_text(job):
    crowded = b'{"choices": [' + b"{}," * 80_000 + b'{}], "model": "m"}'
    with started(lambda prompt, n: (200, {}, crowded)) as server:
        judge = {"base_url": server.url, "concurrency": 16, "patience": 0.2}
        code, last, memory = ended(job.start(judge, questions(32)))
    assert code == 1 and "a response that is not a completion" in last and memory < LARGEST / 2


def test_a_reply_as_long_as_max_tokens_allows_is_taken(job):
    text = "思" * 30_000 + " Rating: [[3]]"  # six bytes each, as this endpoint escapes it
    with started(lambda prompt, n: (200, {}, text)) as server:
        assert job.run({"base_url": server.url, "max_tokens": 1024}, questions(1))[0] == 0, job.errors
    assert job.rows()[0]["rating"] == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_names_the_other_host_which_is_sent_nothing(job, status):
    with started() as other:
        place = f"http://127.0.0.1:{other.server_port}"
        with started(lambda prompt, n: (status, {"Location": f"{place}/v1/chat/completions?x"}, "")) as server:
            code, last = job.run({"base_url": server.url}, questions(1))
        assert code == 1 and f"a redirect to {place}, which is not followed; correct base_url" in last
        assert not other.headers and sum(server.calls.values()) == 1


@pytest.mark.parametrize("location", ["//[", "http://" + "x" * 5_000, ""])
def test_a_redirect_to_nowhere_is_an_error_too(job, location):
    with started(lambda prompt, n: (302, {"Location": location}, "")) as server:
        code, last = job.run({"base_url": server.url}, questions(1))
    assert code == 1 and "a redirect to " in last and len(last) < 600


AMBIENT = {
    "OPENAI_ADMIN_KEY": "sk-admin-ambient",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/ambient",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer ambient\nX-Secret: ambient",
    "OPENAI_ORG_ID": "org-ambient",
    "OPENAI_PROJECT_ID": "proj-ambient",
    "OPENAI_WEBHOOK_SECRET": "ambient",
}
OF_THE_CLIENT = {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host"}
OF_THE_CLIENT |= {"user-agent"}


def test_the_endpoint_is_sent_nothing_of_the_environment_but_the_judges_key(job):
    with started() as server:
        assert job.run({"base_url": server.url}, questions(2), **AMBIENT)[0] == 0, job.errors
        assert server.keys == {f"Bearer {KEY}"}
        assert not [value for _, value in server.headers if "ambient" in value]
        assert {name for name, _ in server.headers if not name.startswith("x-stainless-")} == OF_THE_CLIENT


@pytest.mark.parametrize("api", ["calls", "batch"])
def test_a_proxy_that_cannot_be_used_is_one_line_with_its_variable_and_the_remedy(job, api):
    judge = {"base_url": "https://far.example/v1", "api": api}
    assert job.run(judge, questions(2), https_proxy="socks5://me:secret@127.0.0.1:9", NO_PROXY="", no_proxy="") == (
        1,
        "error: the environment variable https_proxy names a SOCKS proxy; give it the URL of an HTTP proxy"
        " (http://host:port), or add far.example to NO_PROXY",
    )


def test_a_cookie_is_not_sent_back(job):
    with started(lambda prompt, n: (200, {"Set-Cookie": "who=you; Path=/"}, "Rating: [[2]]")) as server:
        assert job.run({"base_url": server.url, "concurrency": 1}, questions(3))[0] == 0, job.errors
        assert "cookie" not in dict(server.headers)


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY} ", f"{KEY}\n"])
def test_a_key_with_white_space_around_it_works_and_is_written_nowhere(job, key):
    with started(lambda prompt, n: (200, {}, f"Your key is {KEY}. Rating: [[2]]")) as server:
        assert job.run({"base_url": server.url}, questions(2), key=key)[0] == 0, job.errors
        assert server.keys == {f"Bearer {KEY}"}
    assert job.rows()[0]["explanation"] == "Your key is ***. Rating: [[2]]"
    assert KEY not in job.journal.read_text() + job.output.read_text() + job.errors


@pytest.mark.parametrize("asked", [{"Retry-After-Ms": 1}, {"Retry-After": 0}, {"Retry-After": "0.001"}])
@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_asks_for_hardly_any_pause_is_not_called_without_end(job, status, asked):
    with started(lambda prompt, n: (status, asked, "again")) as server:
        code, last = job.run({"base_url": server.url, "patience": 3}, questions(1))
    assert code == 1 and "no answer in 3 s (patience)" in last
    assert 2 <= sum(server.calls.values()) <= 5
