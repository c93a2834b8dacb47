"""Holding calls to what an endpoint allows a minute: requests, tokens, and the pauses that it asks for.

Requests start evenly spaced, so that neither a minute nor a second sees a burst of them. Tokens are a sliding
window: what calls that started in the last minute used, or, while that is not known, may use at most.

A minute is taken for a fiftieth longer than it is (98 % of what is allowed): the endpoint counts calls when they
arrive, and of two that left a minute apart the first may be held up on its way. So 1.2 seconds of that do no harm.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

MINUTE = 60 / 0.98  # seconds
LOOK = 0.1  # seconds between two looks for whether a call used less than it might have


class Stopped(Exception):
    """The job is ending: no further call is to be started."""


class Slot:
    """A call's place in the window: when it started (s), and its tokens."""

    __slots__ = ("start", "tokens")

    def __init__(self, start: float, tokens: int):
        self.start, self.tokens = start, tokens


class Limiter:
    """Lets callers, one after another, start a call when limits allow it; None is no limit. For any number of threads.

    `sleep` waits the seconds that it is given; true from it, as from an Event's wait, ends the waiting with Stopped.

    >>> slot = limiter.start(bound)
    >>> limiter.used(slot, call().tokens)
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], bool | None] = time.sleep,
    ):
        self._interval = MINUTE / requests_per_minute if requests_per_minute else 0.0
        self._allowed = tokens_per_minute
        self._clock, self._sleep = clock, sleep
        self._next = clock()  # no call starts before
        self._window: deque[Slot] = deque()
        self._tokens = 0  # of the slots in the window
        self._turn = threading.Lock()  # held by the caller that waits, so that none is overtaken by smaller calls
        self._lock = threading.Lock()

    def start(self, tokens: int = 0) -> Slot:
        """Wait until a call of at most `tokens` may start. One that is larger than what a minute allows goes when
        nothing is in the window. Raises Stopped."""
        with self._turn:
            while True:
                with self._lock:
                    now = self._clock()
                    wait = self._wait(now, tokens)
                    if wait <= 0:
                        return self._take(now, tokens)
                if self._sleep(wait):
                    raise Stopped

    def resume(self, starts: Iterable[tuple[float, int]]) -> None:
        """Before the first call: count those of jobs before this one, the oldest first: how long ago (s) they started,
        and their tokens."""
        for ago, tokens in starts:
            self._take(self._clock() - ago, tokens)

    def used(self, slot: Slot, tokens: int) -> None:
        """Put right what a call used."""
        with self._lock:
            if self._window and slot.start >= self._window[0].start:  # else it has left the window
                self._tokens += tokens - slot.tokens
            slot.tokens = tokens

    def hold(self, seconds: float) -> None:
        """Let no call start for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)

    def _wait(self, now: float, tokens: int) -> float:
        """Seconds to sleep before asking again; 0 when the call may start."""
        while self._window and self._window[0].start <= now - MINUTE:
            self._tokens -= self._window.popleft().tokens
        if self._next > now:
            return self._next - now
        if self._allowed is None or not self._tokens or self._tokens + tokens <= self._allowed:
            return 0.0
        return min(LOOK, max(self._window[0].start + MINUTE - now, 1e-3))

    def _take(self, now: float, tokens: int) -> Slot:
        slot = Slot(now, tokens)
        self._next = max(self._next, now + self._interval)
        if self._allowed is not None:
            self._window.append(slot)
            self._tokens += tokens
        return slot
