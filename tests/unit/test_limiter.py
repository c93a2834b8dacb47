"""No minute, wherever it begins, has more requests or tokens than allowed."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judging.limiter import MINUTE, Limiter, Stopped


class Clock:
    """Time that passes only while somebody sleeps; what is due meanwhile is done then."""

    def __init__(self):
        self.now, self.due = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds
        while self.due and self.due[0][0] <= self.now:
            self.due.pop(0)[1]()

    def later(self, seconds, action):
        self.due = sorted([*self.due, (self.now + seconds, action)], key=lambda entry: entry[0])


def limiter(clock, requests=None, tokens=None):
    return Limiter(requests, tokens, clock=clock, sleep=clock.sleep)


def starts(held, clock, count, tokens=0):
    return [(held.start(tokens), clock.now)[1] for _ in range(count)]


def test_without_limits_nobody_waits():
    clock = Clock()
    assert starts(limiter(clock), clock, 100, tokens=10**9) == [100.0] * 100


def test_requests_start_evenly_a_fiftieth_slower_than_allowed():
    clock = Clock()
    times = starts(limiter(clock, requests=120), clock, 10)
    assert [late - early for early, late in pairwise(times)] == pytest.approx([0.5 / 0.98] * 9)


def test_time_in_which_nobody_called_is_not_made_up_for():
    clock = Clock()
    held = limiter(clock, requests=60)
    held.start()
    clock.now += 1000
    times = starts(held, clock, 3)
    assert [late - early for early, late in pairwise(times)] == pytest.approx([MINUTE / 60] * 2)


def test_a_hold_is_for_all_callers_and_a_shorter_one_does_not_end_it():
    clock = Clock()
    held = limiter(clock, requests=6000)
    held.start()
    held.hold(30)
    held.hold(2)
    assert starts(held, clock, 1) == [pytest.approx(130)]


def test_a_hold_that_comes_while_one_waits_holds_it_too():
    clock = Clock()
    held = limiter(clock, requests=60)
    held.start()
    clock.later(0.5, lambda: held.hold(20))
    assert starts(held, clock, 1)[0] >= 120.5


def test_tokens_that_may_be_used_count_until_it_is_known_how_many_were():
    clock = Clock()
    held = limiter(clock, tokens=1000)
    first, _second = held.start(600), held.start(400)
    clock.later(10, lambda: held.record_usage(first, 50))
    held.start(500)
    assert clock.now == pytest.approx(110, abs=0.2)
    held.start(100)
    assert clock.now == pytest.approx(100 + MINUTE, abs=0.2), "when the second has left the window"


def test_what_becomes_known_of_a_call_after_it_has_left_the_window_changes_nothing():
    clock = Clock()
    held = limiter(clock, tokens=1000)
    slow = held.start(900)
    clock.now += 100
    held.start(900)
    held.record_usage(slow, 0)
    held.start(900)
    assert clock.now >= 200 + MINUTE - 1


def test_a_call_larger_than_what_a_minute_allows_goes_alone():
    clock = Clock()
    held = limiter(clock, tokens=1000)
    held.start(10)
    held.start(5000)
    assert clock.now == pytest.approx(100 + MINUTE, abs=0.2)
    held.start(10)
    assert clock.now == pytest.approx(100 + 2 * MINUTE, abs=0.4)


def test_calls_of_a_job_before_count():
    clock = Clock()
    held = limiter(clock, requests=60, tokens=1000)
    held.resume([(50, 600), (0.5, 300)])
    held.start(100)
    assert clock.now == pytest.approx(99.5 + MINUTE / 60)
    held.start(600)
    assert clock.now == pytest.approx(50 + MINUTE, abs=0.2), "when the first has left the window"


def test_whoever_waits_when_the_job_ends_is_told():
    stop = threading.Event()
    held = Limiter(requests_per_minute=1, sleep=stop.wait)
    held.start()
    told = []

    def wait():
        with pytest.raises(Stopped):
            held.start()
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
@settings(max_examples=150, deadline=None)
def test_no_window_of_60_seconds_passes_a_limit(requests, tokens, calls):
    clock = Clock()
    held = limiter(clock, requests, tokens)
    begun = []
    for most, share, seconds, pause in calls:
        clock.now += pause
        slot, used = held.start(most), int(most * share)
        begun.append((clock.now, used))
        clock.later(seconds, lambda slot=slot, used=used: held.record_usage(slot, used))
    for start, _ in begun:
        window = [used for time, used in begun if start <= time < start + 60]
        assert len(window) <= requests and sum(window) <= tokens
