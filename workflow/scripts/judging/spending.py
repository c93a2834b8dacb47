"""What replies cost, and a budget that no call passes.

Spent is what all replies in the judge's journals used, whatever job they were made for; where an endpoint does not say,
the most that it may have been (`bound`). Before a call starts, the
most that it may cost is set aside; its reply puts that right. A call that was given up on (no answer in time, a
connection that broke) may have been charged for, so what was set aside for it stays so until the job ends.
"""

import json
import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

Usage = dict[str, int]  # prompt_tokens, completion_tokens

NOTHING: Usage = {"prompt_tokens": 0, "completion_tokens": 0}
USAGE = dict.fromkeys(NOTHING, int)  # the kinds of its fields, in a file
OVERHEAD = 64  # tokens that a chat template may add to a prompt: roles, separators, a system prompt of its own
MILLION = 1_000_000


class OverBudget(Exception):
    """The next call could pass the budget."""


def most(prompt: str, max_tokens: int) -> Usage:
    """An upper bound of what a call uses. A token of byte-level BPE, or of SentencePiece that falls back to bytes, is
    one byte or more, so that a prompt has no more of them than bytes in UTF-8."""
    return {"prompt_tokens": len(prompt.encode("utf-8", "replace")) + OVERHEAD, "completion_tokens": max_tokens}


def cost(usage: Usage, price: dict[str, float]) -> float:
    """US dollars, of a price in US dollars a million tokens."""
    charged = usage["prompt_tokens"] * price["prompt"] + usage["completion_tokens"] * price["completion"]
    return charged / MILLION


class Past(NamedTuple):
    """What all replies together used, and those of the last minutes: when they came (s since the epoch), tokens."""

    usage: Usage
    recent: list[tuple[float, int]]


def past(paths: Iterable[Path], since: float = math.inf) -> Past:
    """What the replies in journals used; those that came after `since` one by one. Lines that are no reply are passed
    over, as when a journal itself is read: another job may be writing one."""
    usage, recent = NOTHING, []
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
    return Past(usage, sorted(recent))


def journals(own: Path, folder: Path | None) -> set[Path]:
    """A judge's journals: all below its folder, and this job's own, each once."""
    found = set(folder.rglob("*.jsonl")) if folder else set()
    return {path.resolve() for path in {own, *found} if path.is_file()}


class Spending:
    """Money spent and set aside (US dollars); without a budget it only counts. For any number of threads."""

    def __init__(self, price: dict[str, float] | None = None, budget: float | None = None, used: Usage = NOTHING):
        self._price = price or {"prompt": 0.0, "completion": 0.0}
        self.spent = cost(used, self._price)
        self._budget = budget
        self._aside = 0.0
        self._lock = threading.Lock()

    def set_aside(self, bound: Usage) -> None:
        """Before a call. Raises OverBudget when it could pass the budget."""
        charge = cost(bound, self._price)
        with self._lock:
            if self._budget is not None and self.spent + self._aside + charge > self._budget:
                raise OverBudget
            self._aside += charge

    def settle(self, bound: Usage, used: Usage) -> None:
        """After a call that was answered: what was set aside is free, and what it used is spent."""
        with self._lock:
            self._aside -= cost(bound, self._price)
            self.spent += cost(used, self._price)
