"""Keep calls within an endpoint's limits per minute: requests, tokens, and the pauses that it asks for.

Requests start evenly spaced, so that there is no burst within a minute or a second. Tokens are counted in a sliding
window: what the calls of the last minute used or, as long as that is unknown, may use at most.

Minutes are counted as 2 % longer than they are, which uses 98 % of the limit: the endpoint counts calls when they
arrive, and the first of two calls sent a minute apart may be delayed on its way. A delay of 1.2 s does no harm.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

MINUTE = 60 / 0.98  # seconds
POLL = 0.1  # seconds between two checks whether a call used less than its bound


class Stopped(Exception):
    """The job is ending: no further call may start."""


class Slot:
    """A call's place in the window: when it started (s), and its tokens."""

    __slots__ = ("start", "tokens")

    def __init__(self, start: float, tokens: int):
        self.start, self.tokens = start, tokens


class Limiter:
    """Lets callers start a call, one after another, when the limits allow it; None is no limit. Thread-safe.

    `sleep` waits for the given seconds; if it returns true, as an Event's `wait` does, Stopped is raised.

    >>> slot = limiter.start(bound)
    >>> limiter.record_usage(slot, call().tokens)
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
        self._next = clock()  # earliest start of the next call
        self._window: deque[Slot] = deque()
        self._tokens = 0  # of the slots in the window
        self._turn = threading.Lock()  # held by the waiting caller, so that smaller calls do not overtake it
        self._lock = threading.Lock()

    def start(self, tokens: int = 0) -> Slot:
        """Wait until a call of at most `tokens` tokens may start. A call above the limit per minute starts once the
        window is empty. Raises Stopped."""
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
        """Before the first call, count those of earlier jobs, the oldest first: how long ago (s) each started, and its
        tokens."""
        for ago, tokens in starts:
            self._take(self._clock() - ago, tokens)

    def record_usage(self, slot: Slot, tokens: int) -> None:
        """Replace the bound of a call by what it used."""
        with self._lock:
            if self._window and slot.start >= self._window[0].start:  # otherwise it has left the window
                self._tokens += tokens - slot.tokens
            slot.tokens = tokens

    def hold(self, seconds: float) -> None:
        """Let no call start for `seconds`."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)

    def _wait(self, now: float, tokens: int) -> float:
        """Seconds to sleep before checking again; 0 if the call may start."""
        while self._window and self._window[0].start <= now - MINUTE:
            self._tokens -= self._window.popleft().tokens
        if self._next > now:
            return self._next - now
        if self._allowed is None or not self._tokens or self._tokens + tokens <= self._allowed:
            return 0.0
        return min(POLL, max(self._window[0].start + MINUTE - now, 1e-3))

    def _take(self, now: float, tokens: int) -> Slot:
        slot = Slot(now, tokens)
        self._next = max(self._next, now + self._interval)
        if self._allowed is not None:
            self._window.append(slot)
            self._tokens += tokens
        return slot
