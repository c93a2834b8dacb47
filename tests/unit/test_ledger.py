"""No minute, wherever it begins, has more requests or tokens than allowed, and no budget is passed, however many jobs
spend at once and whenever they are killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from basics.errors import InputError
from judge_job import SCRIPTS
from judging.ledger import GRACE, MINUTE, NAME, Ledger, OverBudget, Stopped, open_ledger, spent_so_far
from judging.settings import JudgeSettings
from judging.spending import NO_USAGE

DOLLAR = {"prompt": 1_000_000, "completion": 1_000_000}  # a token
TIMEOUT = 200


class Clock:
    """Time that passes only while somebody sleeps; what is due meanwhile is done then."""

    def __init__(self):
        self.now, self.due = 1000.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds
        while self.due and self.due[0][0] <= self.now:
            self.due.pop(0)[1]()

    def later(self, seconds, action):
        self.due = sorted([*self.due, (self.now + seconds, action)], key=lambda entry: entry[0])


def tokens(prompt, completion=0):
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def judge(requests=None, tokens=None, **others):
    limits = {"requests_per_minute": requests, "tokens_per_minute": tokens, "timeout": TIMEOUT}
    return JudgeSettings(name="j", model="m", base_url="http://127.0.0.1:9/v1", **limits | others)


def ledger(clock, requests=None, most=None, path=None, **others):
    return Ledger(path, judge(requests, most, **others), clock=clock)


def starts(held, clock, count):
    return [(held.start(tokens(0), clock.sleep), clock.now)[1] for _ in range(count)]


# ---- limits per minute


def test_without_limits_nobody_waits():
    clock = Clock()
    held = ledger(clock)
    for _ in range(100):
        held.start(tokens(10**9), clock.sleep)
    assert clock.now == 1000


def test_requests_start_evenly_a_fiftieth_slower_than_allowed():
    clock = Clock()
    times = starts(ledger(clock, requests=120), clock, 10)
    assert [late - early for early, late in pairwise(times)] == pytest.approx([0.5 / 0.98] * 9, abs=0.06)
    assert times[-1] - times[0] == pytest.approx(9 * 0.5 / 0.98, abs=0.06)


def test_who_wakes_up_late_does_not_delay_the_others():
    clock = Clock()
    held = ledger(clock, requests=600)
    begun = clock.now
    for _ in range(101):
        held.start(tokens(0), lambda seconds: clock.sleep(seconds + 0.02))
    assert clock.now - begun == pytest.approx(100 * MINUTE / 600, abs=0.1)


def test_time_in_which_nobody_called_is_not_made_up_for():
    clock = Clock()
    held = ledger(clock, requests=60)
    held.start(tokens(0), clock.sleep)
    clock.now += 1000
    times = starts(held, clock, 3)
    assert [late - early for early, late in pairwise(times)] == pytest.approx([MINUTE / 60] * 2, abs=0.06)


def test_a_hold_is_for_all_callers_and_a_shorter_one_does_not_end_it():
    clock = Clock()
    held = ledger(clock, requests=6000)
    held.start(tokens(0), clock.sleep)
    held.hold(30)
    held.hold(2)
    assert starts(held, clock, 1) == [pytest.approx(1030)]


def test_a_hold_that_comes_while_one_waits_holds_it_too():
    clock = Clock()
    held = ledger(clock, requests=60)
    held.start(tokens(0), clock.sleep)
    clock.later(0.5, lambda: held.hold(20))
    assert starts(held, clock, 1)[0] >= 1020.5


def test_tokens_that_may_be_used_count_until_it_is_known_how_many_were():
    clock = Clock()
    held = ledger(clock, most=1000)
    first, _second = held.start(tokens(500, 100), clock.sleep), held.start(tokens(400), clock.sleep)
    clock.later(10, lambda: held.settle(first, tokens(40, 10)))
    held.start(tokens(500), clock.sleep)
    assert clock.now == pytest.approx(1010, abs=0.2)
    held.start(tokens(100), clock.sleep)
    assert clock.now == pytest.approx(1000 + MINUTE, abs=0.2), "when the second has left the window"


def test_what_becomes_known_of_a_call_after_it_has_left_the_window_changes_nothing():
    clock = Clock()
    held = ledger(clock, most=1000)
    slow = held.start(tokens(900), clock.sleep)
    clock.now += 100
    held.start(tokens(900), clock.sleep)
    held.settle(slow, NO_USAGE)
    held.start(tokens(900), clock.sleep)
    assert clock.now >= 1100 + MINUTE - 1


def test_a_call_larger_than_what_a_minute_allows_goes_alone():
    clock = Clock()
    held = ledger(clock, most=1000)
    held.start(tokens(10), clock.sleep)
    held.start(tokens(5000), clock.sleep)
    assert clock.now == pytest.approx(1000 + MINUTE, abs=0.2)
    held.start(tokens(10), clock.sleep)
    assert clock.now == pytest.approx(1000 + 2 * MINUTE, abs=0.4)


def test_a_clock_that_was_set_back_holds_nobody_for_long():
    clock = Clock()
    held = ledger(clock, requests=60, most=1000, patience=5)
    held.start(tokens(900), clock.sleep)
    clock.now -= 500
    held.start(tokens(900), clock.sleep)
    assert clock.now <= 500 + MINUTE + 5 + 1


def test_whoever_waits_when_the_job_ends_is_told():
    stop = threading.Event()
    held = ledger(time.time, requests=1)
    held.start(tokens(0), stop.wait)
    told = []

    def wait():
        with pytest.raises(Stopped):
            held.start(tokens(0), stop.wait)
        told.append(True)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(timeout=5)
    assert told == [True] * 3


CALLS = st.tuples(
    st.integers(1, 400),  # tokens at most
    st.floats(0, 1),  # the share of them that is used
    st.floats(0.1, 150),  # seconds until that is known
    st.sampled_from([0.0, 0.0, 0.01, 7.0]),  # seconds until the next call is wanted
)


@given(st.integers(1, 300), st.integers(400, 3000), st.lists(CALLS, min_size=2, max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_window_of_60_seconds_passes_a_limit(requests, most, calls):
    clock = Clock()
    held = ledger(clock, requests, most)
    begun = []
    for bound, share, seconds, pause in calls:
        clock.now += pause
        call, used = held.start(tokens(bound), clock.sleep), int(bound * share)
        begun.append((clock.now, used))
        clock.later(seconds, lambda call=call, used=used: held.settle(call, tokens(used)))
    for start, _ in begun:
        window = [used for time, used in begun if start <= time < start + 60]
        assert len(window) <= requests and sum(window) <= most


# ---- the budget


def test_a_call_that_could_pass_the_budget_is_not_started():
    clock = Clock()
    held = ledger(clock, budget=10, price=DOLLAR)
    held.settle(held.start(tokens(2, 3)), tokens(2, 3))
    with pytest.raises(OverBudget):
        held.start(tokens(6))
    held.start(tokens(5))
    assert held.spent == 5


def test_a_call_waits_for_what_is_set_aside_for_others_before_a_budget_refuses_it():
    clock = Clock()
    held = ledger(clock, budget=10, price=DOLLAR)
    first, second = held.start(tokens(4)), held.start(tokens(6))
    clock.later(20, lambda: held.settle(first, tokens(1)))
    held.start(tokens(3), clock.sleep)
    assert clock.now == pytest.approx(1020, abs=0.2)
    clock.later(20, lambda: held.settle(second, tokens(6)))
    with pytest.raises(OverBudget):
        held.start(tokens(4), clock.sleep)
    assert clock.now == pytest.approx(1040, abs=0.2)


def test_a_call_that_nobody_settles_counts_as_all_that_it_may_have_used():
    clock = Clock()
    held = ledger(clock, budget=10, price=DOLLAR)
    lost = held.start(tokens(8))
    with pytest.raises(OverBudget):
        held.start(tokens(3), clock.sleep)
    assert clock.now == pytest.approx(1000 + TIMEOUT + GRACE, abs=0.2) and held.spent == 8
    held.settle(lost, tokens(5))  # it was only late
    held.start(tokens(3), clock.sleep)
    assert held.spent == 5


def test_without_a_budget_money_is_only_counted():
    held = ledger(Clock(), price=DOLLAR)
    held.start(tokens(10**9))
    held.settle(held.start(tokens(10**9)), tokens(7))
    assert held.spent == 7


@given(st.integers(0, 3000), st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=8, max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_number_of_threads_stay_within_the_budget(budget, calls):
    held, charged = ledger(time.time, budget=budget, price=DOLLAR), []

    def spend(own):
        for bound, share in own:
            try:
                call = held.start(tokens(bound), lambda seconds: time.sleep(seconds / 1000))
            except OverBudget:
                continue
            charged.append(int(bound * share))
            held.settle(call, tokens(int(bound * share)))

    threads = [threading.Thread(target=spend, args=(calls[part::3],)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(charged) == held.spent <= budget


# ---- between jobs


def test_jobs_with_one_file_share_limits_and_budget_and_others_do_not(tmp_path):
    clock = Clock()
    one, two = (ledger(clock, 60, budget=10, price=DOLLAR, path=tmp_path / NAME) for _ in range(2))
    one.settle(one.start(tokens(6), clock.sleep), tokens(6))
    with pytest.raises(OverBudget):
        two.start(tokens(5), clock.sleep)
    two.start(tokens(4), clock.sleep)
    assert clock.now == pytest.approx(1000 + MINUTE / 60, abs=0.06) and two.spent == 6
    ledger(clock, 60, budget=10, price=DOLLAR).start(tokens(10), clock.sleep)
    assert clock.now == pytest.approx(1000 + MINUTE / 60, abs=0.06)


def entry(*used, **others):
    usage = dict(zip(NO_USAGE, used, strict=True))
    return json.dumps({"key": "k", "value": {"text": "x", "usage": usage} | others}) + "\n"


def test_what_the_journals_hold_is_spent_whether_or_not_a_ledger_has_seen_it(tmp_path):
    own, budgeted = tmp_path / "lora" / "a.jsonl", judge(price=DOLLAR, budget=1000)
    own.parent.mkdir()
    own.write_text(entry(10, 1) + entry(20, 2))
    assert spent_so_far(tmp_path) == tokens(30, 3)
    with open_ledger(budgeted, own, tmp_path) as held:
        assert held.spent == 33
        held.settle(held.start(tokens(100)), tokens(100))
        held.add(tokens(1000, 5))
    assert spent_so_far(tmp_path) == tokens(1130, 8)
    with open_ledger(budgeted, own, tmp_path) as held:
        assert held.usage == tokens(1130, 8), "they are counted once"
    (tmp_path / NAME).unlink()
    with open_ledger(budgeted, own, tmp_path) as held:
        assert held.spent == 33
    with open_ledger(budgeted, own, None) as held:
        assert held.spent == 33


def test_a_judge_that_each_job_serves_has_a_ledger_in_memory_as_its_jobs_may_run_on_many_nodes(tmp_path):
    served = JudgeSettings(name="j", model="m", serve="server {port}")
    with open_ledger(served, tmp_path / "a.jsonl", tmp_path) as held:
        held.start(tokens(1))
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_damaged_is_named_with_the_remedy(tmp_path):
    (tmp_path / NAME).write_bytes(b"no database at all, " * 100)
    for open_it in (lambda: ledger(time.time, path=tmp_path / NAME), lambda: spent_so_far(tmp_path)):
        with pytest.raises(InputError, match=rf"^{tmp_path / NAME}: file is not a database: .* remove it"):
            open_it()


SPENDER = """
import random, sys, time
from pathlib import Path
sys.path.insert(0, {scripts!r})
from judging.ledger import Ledger, OverBudget
from judging.settings import JudgeSettings
url = "http://127.0.0.1:9/v1"
settings = JudgeSettings(name="j", model="m", base_url=url, timeout=1, price={price!r}, budget={budget})
ledger, worked = Ledger(Path({path!r}), settings), open({log!r} % sys.argv[1], "a", buffering=1)
try:
    while True:
        bound = random.randint(1, 9)
        call = ledger.start(dict(prompt_tokens=bound, completion_tokens=0))
        used = random.randint(0, bound)
        worked.write(f"{{used}}\\n")  # what a server does once it is asked
        time.sleep(random.random() / 500)
        ledger.settle(call, dict(prompt_tokens=used, completion_tokens=0))
except OverBudget:
    pass
"""


def spenders(folder, budget, count):
    """Processes that share a ledger; each notes what it uses."""
    program = SPENDER.format(
        scripts=str(SCRIPTS), price=DOLLAR, budget=budget, path=str(folder / NAME), log=str(folder / "worked-%s")
    )
    return [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(count)]


def worked(folder):
    return sum(int(line) for path in folder.glob("worked-*") for line in path.read_text().split())


def test_processes_that_share_a_file_stay_within_the_budget_and_use_it_up(tmp_path):
    budget = 5000
    for process in spenders(tmp_path, budget, count=3):
        assert process.wait(60) == 0
    assert budget - 9 <= worked(tmp_path) <= budget


def test_after_kills_at_any_time_the_sum_is_at_least_what_was_worked_on(tmp_path):
    for _ in range(10):
        processes = spenders(tmp_path, budget=10**9, count=2)
        before = worked(tmp_path)
        while worked(tmp_path) < before + 30:
            assert all(process.poll() is None for process in processes)
            time.sleep(0.01)
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    clock = Clock()
    clock.now = time.time() + 1 + GRACE
    assert ledger(clock, price=DOLLAR, path=tmp_path / NAME).spent >= worked(tmp_path) > 300
    with sqlite3.connect(tmp_path / NAME) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
