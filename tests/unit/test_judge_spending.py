"""Money that may have been spent is not forgotten: not by a time-out, a kill, a retry or an odd bill."""

import os
import random
import time

import pytest

from judge_endpoint import HANG, USAGE, completion, started
from judge_job import Job, questions
from judging.ledger import NAME, Ledger, spent_so_far
from judging.settings import JudgeSettings

KILLS = int(os.environ.get("KILLS", 4))
LONGEST = 16  # tokens of a reply
PRICE = {"prompt": 0, "completion": 1_000_000}  # a dollar a token
USED = USAGE["completion_tokens"]


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture
def journals(job):
    folder = job.folder / "journals"
    job.journal = folder / "one.jsonl"
    return folder


def judge(server, **others):
    return {"base_url": server.url, "price": PRICE, "max_tokens": LONGEST} | others


def ledger_of(journals, server):
    """Opened when all calls that nobody has settled are given up."""
    settings = JudgeSettings(name="tested", model="stand-in", base_url=server.url, price=PRICE)
    return Ledger(journals / NAME, settings, clock=lambda: time.time() + 3600)


def test_calls_that_were_given_up_on_are_spent_and_the_next_job_knows(job, journals):
    """The endpoint works longer than the client waits."""
    with started(delay=2) as server:
        hasty = judge(server, timeout=0.5, patience=1, budget=1000)
        status, last = job.run(hasty, questions(3), spent_in=journals)
        assert status == 1 and "no answer in 1 s (patience): APITimeoutError" in last
        made = sum(server.calls.values())
        assert made >= 6 and spent_so_far(journals)["completion_tokens"] == made * LONGEST
        status, last = job.run(hasty | {"budget": made * LONGEST}, questions(3), spent_in=journals)
        assert status == 1 and f"${made * LONGEST:.4f} spent, 3 ratings of this run left" in last
        assert sum(server.calls.values()) == made


@pytest.mark.parametrize("status", [200, 429, 500, 503])
def test_an_error_is_not_charged_however_often_it_comes(job, journals, status):
    error = {"error": {"code": 429, "message": "slow down"}}
    body = b'{"error": {"code": 429, "message": "slow down"}}' if status == 200 else error
    with started(lambda prompt, n: (status, {}, body) if n < 3 else None) as server:
        assert job.run(judge(server, budget=2 * LONGEST), questions(2), spent_in=journals)[0] == 0, job.errors
        assert sum(server.calls.values()) == 6
        assert spent_so_far(journals)["completion_tokens"] == 2 * USED


@pytest.mark.parametrize("status", [408, 504])
def test_a_gateways_timeout_is_charged_as_the_endpoint_may_be_at_work(job, journals, status):
    with started(lambda prompt, n: (status, {}, "too slow") if n < 3 else None) as server:
        assert job.run(judge(server, budget=1000), questions(1), spent_in=journals)[0] == 0, job.errors
        assert spent_so_far(journals)["completion_tokens"] == 2 * LONGEST + USED


def test_an_endpoint_that_is_not_reached_charges_nothing(job, journals):
    away = {"base_url": "http://127.0.0.1:9/v1", "price": PRICE, "max_tokens": LONGEST, "budget": 1000, "patience": 1}
    assert job.run(away, questions(2), spent_in=journals)[0] == 1
    assert spent_so_far(journals)["completion_tokens"] == 0


def test_a_small_budget_waits_for_what_is_set_aside_and_is_used_up(job, journals):
    """Eight threads, and money for one call at a time: then for the third, after two that used less."""
    with started(delay=0.05) as server:
        enough = judge(server, budget=9 * USED + LONGEST, concurrency=8)
        assert job.run(enough, questions(10), spent_in=journals)[0] == 0, job.errors
        assert spent_so_far(journals)["completion_tokens"] == 10 * USED


def test_a_usage_that_cannot_be_counts_as_the_most_that_can_and_is_told(job, journals):
    absurd = completion("Rating: [[2]]").replace(b'"completion_tokens": 3', b'"completion_tokens": %d' % 10**30)
    with started(lambda prompt, n: (200, {}, absurd) if "Question 1?" in prompt else None) as server:
        status, last = job.run(judge(server, budget=1000), questions(2), spent_in=journals)
        assert status == 0, job.errors
    assert "1 replies without a credible usage, which count as the most they can be" in last and last.endswith(
        f"${USED + LONGEST:.4f}"
    )
    assert [row["usage"]["completion_tokens"] for row in job.rows()] == [USED, 0]
    assert spent_so_far(journals)["completion_tokens"] == USED + LONGEST


def test_after_kills_and_timeouts_the_sum_is_at_least_what_the_endpoint_worked_on(job, journals):
    chance = random.Random(5)
    with started(lambda prompt, n: (HANG, {}, "") if n == 1 else None, delay=0.1, hang=1.0) as server:
        slow = judge(server, timeout=0.4, concurrency=4, budget=10**9)
        for _ in range(KILLS):
            process = job.start(slow, questions(2000), spent_in=journals)
            begun = sum(server.calls.values())
            while sum(server.calls.values()) < begun + chance.randint(4, 20):
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
            process.communicate()
        time.sleep(1.2)  # it ends what it was asked for
        completed, calls = sum(server.completed.values()), sum(server.calls.values())
        worked_on = completed * USED + (calls - completed) * LONGEST
        assert ledger_of(journals, server).usage["completion_tokens"] >= worked_on > 0
