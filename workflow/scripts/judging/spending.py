"""What replies cost, and a budget that no call exceeds.

Everything that the replies in the judge's journals used is spent, whichever job they were for; where an endpoint does
not report usage, the upper bound counts (`bound`). Before a call starts, the most that it may cost is reserved; its
reply replaces that by the actual cost. A call without an answer (a timeout, a broken connection) may have been charged,
so its reservation stays until the job ends.
"""

import json
import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

Usage = dict[str, int]  # prompt_tokens, completion_tokens

NO_USAGE: Usage = {"prompt_tokens": 0, "completion_tokens": 0}
USAGE_KINDS = dict.fromkeys(NO_USAGE, int)  # the types of its fields, in a file
OVERHEAD = 64  # tokens that a chat template may add to a prompt: roles, separators, a system prompt
MILLION = 1_000_000


class OverBudget(Exception):
    """The next call could exceed the budget."""


def usage_bound(prompt: str, max_tokens: int) -> Usage:
    """An upper bound on the usage of a call. A token of byte-level BPE, or of SentencePiece with byte fallback, is at
    least one byte, so a prompt has at most as many tokens as bytes in UTF-8."""
    return {"prompt_tokens": len(prompt.encode("utf-8", "replace")) + OVERHEAD, "completion_tokens": max_tokens}


def cost(usage: Usage, price: dict[str, float]) -> float:
    """Cost in US dollars, for a price in US dollars per million tokens."""
    charged = usage["prompt_tokens"] * price["prompt"] + usage["completion_tokens"] * price["completion"]
    return charged / MILLION


class PastUsage(NamedTuple):
    """The usage of all replies together, and the recent ones: time of arrival (s since the epoch) and tokens."""

    usage: Usage
    recent: list[tuple[float, int]]


def past_usage(paths: Iterable[Path], since: float = math.inf) -> PastUsage:
    """The usage of the replies in journals, with those after `since` one by one. Lines that are not replies are
    skipped, as when a journal itself is read: another job may be writing one."""
    usage, recent = NO_USAGE, []
    for path in paths:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    reply = json.loads(line)["value"]
                    said, came = reply.get("bound", reply["usage"]), float(reply.get("at", 0))
                    used = {key: int(said[key]) for key in usage}
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    continue
                usage = {key: usage[key] + used[key] for key in usage}
                if came > since:
                    recent.append((came, sum(used.values())))
    return PastUsage(usage, sorted(recent))


def journal_files(own: Path, folder: Path | None) -> set[Path]:
    """A judge's journals, each once: all below its folder, and this job's own."""
    found = set(folder.rglob("*.jsonl")) if folder else set()
    return {path.resolve() for path in {own, *found} if path.is_file()}


class Spending:
    """Money spent and reserved (US dollars); without a budget, it only counts. Thread-safe."""

    def __init__(self, price: dict[str, float] | None = None, budget: float | None = None, used: Usage = NO_USAGE):
        self._price = price or {"prompt": 0.0, "completion": 0.0}
        self.spent = cost(used, self._price)
        self._budget = budget
        self._reserved = 0.0
        self._lock = threading.Lock()

    def reserve(self, bound: Usage) -> None:
        """Reserve the most that a call may cost, before it. Raises OverBudget if that could exceed the budget."""
        charge = cost(bound, self._price)
        with self._lock:
            if self._budget is not None and self.spent + self._reserved + charge > self._budget:
                raise OverBudget
            self._reserved += charge

    def settle(self, bound: Usage, used: Usage) -> None:
        """After an answer: release the reservation, and count what the call used as spent."""
        with self._lock:
            self._reserved -= cost(bound, self._price)
            self.spent += cost(used, self._price)
