"""How long jobs take together: each starts as soon as what it needs is made and devices are free, the longest first."""

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple


class Together(NamedTuple):
    """What a schedule comes to."""

    seconds: float  # until the last job ends
    peak: float  # the most that jobs running at one time have of what `amount` counts


def together(
    seconds: Mapping[Hashable, float],
    needs: Callable[[Hashable], Iterable[Hashable]],
    takes: Callable[[Hashable], Mapping[str, int]],
    limits: Mapping[str, int],
    amount: Callable[[Hashable], float] = lambda job: 0.0,
) -> Together:
    """Run jobs, in thought.

    `seconds` has each job's, in an order in which they can run; what `needs` names and it lacks is there already. A job
    holds what it `takes` of each limited resource while it runs; one that takes more than there is takes all of it.
    """
    waiting = {job: {needed for needed in needs(job) if needed in seconds} for job in seconds}
    followers: dict[Hashable, list] = {job: [] for job in seconds}
    for job, needed in waiting.items():
        for other in needed:
            followers[other].append(job)
    place = {job: number for number, job in enumerate(seconds)}
    order = {job: (-seconds[job], place[job], job) for job in seconds}
    free, now, held, peak = dict(limits), 0.0, 0.0, 0.0
    ready = sorted(order[job] for job, needed in waiting.items() if not needed)
    running: list[tuple[float, int, Hashable]] = []

    def wanted(job: Hashable) -> dict[str, int]:
        return {name: min(count, limits[name]) for name, count in takes(job).items() if name in limits}

    def start(entries: Sequence[tuple]) -> list[tuple]:
        nonlocal held, peak
        left = []
        for entry in entries:
            job = entry[2]
            if any(count > free[name] for name, count in wanted(job).items()):
                left.append(entry)
                continue
            for name, count in wanted(job).items():
                free[name] -= count
            held += amount(job)
            heapq.heappush(running, (now + seconds[job], place[job], job))
        peak = max(peak, held)
        return left

    ready = start(ready)
    while running:
        now, _, job = heapq.heappop(running)
        for name, count in wanted(job).items():
            free[name] += count
        held -= amount(job)
        for other in followers[job]:
            waiting[other].discard(job)
            if not waiting[other]:
                ready.append(order[other])
        ready = start(sorted(ready))
    return Together(now, peak)
