"""How long jobs take in total: each starts as soon as its inputs exist and devices are free, longest first."""

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

Job = TypeVar("Job", bound=Hashable)


class Schedule(NamedTuple):
    """The totals of a schedule."""

    seconds: float  # until the last job ends
    peak: float  # the largest sum of `amount` over jobs that run at the same time


class _Devices(Generic[Job]):
    """The limited resources, which jobs occupy while they run."""

    def __init__(self, takes: Callable[[Job], Mapping[str, int]], limits: Mapping[str, int]):
        self._takes, self._limits, self._free = takes, limits, dict(limits)

    def _wanted(self, job: Job) -> dict[str, int]:
        return {
            name: min(count, self._limits[name]) for name, count in self._takes(job).items() if name in self._limits
        }

    def take(self, job: Job) -> bool:
        """Give the job what it needs if that is free; return whether it was."""
        wanted = self._wanted(job)
        if any(count > self._free[name] for name, count in wanted.items()):
            return False
        for name, count in wanted.items():
            self._free[name] -= count
        return True

    def give_back(self, job: Job) -> None:
        for name, count in self._wanted(job).items():
            self._free[name] += count


def schedule(
    seconds: Mapping[Job, float],
    needs: Callable[[Job], Iterable[Job]],
    takes: Callable[[Job], Mapping[str, int]],
    limits: Mapping[str, int],
    amount: Callable[[Job], float] = lambda job: 0.0,
) -> Schedule:
    """Simulate running the jobs.

    `seconds` has the time of each job, in an order in which they can run; jobs in `needs` that it lacks are done. A job
    occupies what it `takes` of each limited resource while it runs; one that takes more than the limit takes all of it.
    """
    waiting = {job: {needed for needed in needs(job) if needed in seconds} for job in seconds}
    followers: dict[Job, list[Job]] = {job: [] for job in seconds}
    for job, needed in waiting.items():
        for other in needed:
            followers[other].append(job)
    place = {job: number for number, job in enumerate(seconds)}
    devices, now, held, peak = _Devices(takes, limits), 0.0, 0.0, 0.0
    ready = [job for job, needed in waiting.items() if not needed]
    running: list[tuple[float, int, Job]] = []  # when each ends
    while ready or running:
        ready.sort(key=lambda job: (-seconds[job], place[job]))
        started = [job for job in ready if devices.take(job)]
        ready = [job for job in ready if job not in started]
        for job in started:
            heapq.heappush(running, (now + seconds[job], place[job], job))
            held += amount(job)
        peak = max(peak, held)
        now, _, ended = heapq.heappop(running)
        devices.give_back(ended)
        held -= amount(ended)
        for other in followers[ended]:
            waiting[other].discard(ended)
            if not waiting[other]:
                ready.append(other)
    return Schedule(now, peak)
