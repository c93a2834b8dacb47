"""What the jobs of one judge have under way and have spent, in one file, so that limits and a budget hold across them.

**Limits per minute**: requests, tokens, and the pauses that the endpoint asks for. Requests start evenly spaced, so
that there is no burst within a minute or a second. Tokens are counted in a sliding window: what the calls of the last
minute used or, as long as that is unknown, may use at most. Minutes are counted as 2 % longer than they are, which uses
98 % of the limit: the endpoint counts calls when they arrive, and the first of two calls sent a minute apart may be
delayed on its way. A delay of 1.2 s does no harm.

**A budget that no call exceeds.** Before a call starts, the most that it may cost is set aside; its reply replaces that
by what it used. A call whose end nobody saw (a timeout, a broken connection, a job that was killed) may have been
charged, so all that was set aside for it counts as spent. Before a budget refuses a call, it waits for what is set
aside for others.

The file is an SQLite database. It survives a kill at any time; after a power failure, calls of the last seconds may be
missing from it, or it cannot be read: then it is to be removed, and the sum starts from the journals.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from basics.errors import InputError
from judging.settings import JudgeSettings
from judging.spending import NO_USAGE, Usage, cost, journal_files, past_usage

MINUTE = 60 / 0.98  # seconds
POLL = 0.1  # seconds between two checks whether a call used less than its bound
LATENESS = 0.05  # seconds by which a caller may wake up late without delaying those after it
GRACE = 10.0  # seconds after its timeout at which a call that nobody has settled is given up
NAME = "ledger.sqlite"  # in the folder of the judge's journals

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (  -- those under way, and those that started in the last minute
    id INTEGER PRIMARY KEY,
    start REAL NOT NULL,            -- seconds since the epoch
    until REAL,                     -- when it is given up; NULL once it is settled
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_start ON calls (start);
CREATE INDEX IF NOT EXISTS calls_under_way ON calls (until) WHERE until IS NOT NULL;
CREATE TABLE IF NOT EXISTS totals (  -- one row
    id INTEGER PRIMARY KEY CHECK (id = 1),
    next REAL NOT NULL,              -- earliest start of the next call
    prompt_tokens INTEGER NOT NULL,  -- of all calls that are settled or given up
    completion_tokens INTEGER NOT NULL
);
INSERT OR IGNORE INTO totals VALUES (1, 0, 0, 0);
"""
BOUNDS = "SELECT total(prompt_tokens), total(completion_tokens) FROM calls"


class OverBudget(Exception):
    """The next call could exceed the budget."""


class Stopped(Exception):
    """The job is ending: no further call may start."""


class Call(NamedTuple):
    """A call under way, and the most that it may use."""

    id: int
    bound: Usage


class Ledger:
    """The calls to one judge, of this job and, with a `path`, of all others that have the same one. Thread-safe.

    `sleep` waits for the given seconds; if it returns true, as an Event's `wait` does, Stopped is raised.

    >>> call = ledger.start(bound)
    >>> ledger.settle(call, ask().usage)

    Raises:
        InputError: if the file cannot be opened, locked or read.
    """

    def __init__(self, path: Path | None, settings: JudgeSettings, clock: Callable[[], float] = time.time):
        self._path, self._settings, self._clock = path, settings, clock
        self._interval = MINUTE / settings.requests_per_minute if settings.requests_per_minute else 0.0
        self._longest_wait = max(self._interval, settings.patience)
        self._price = settings.price or {"prompt": 0.0, "completion": 0.0}
        self._turn = threading.Lock()  # held by the waiting caller, so that smaller calls do not overtake it
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _faults_of(path):
            self._database = _connect(str(path or ":memory:"))
            self._database.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")

    # ---- calls

    def start(self, bound: Usage, sleep: Callable[[float], bool | None] = time.sleep) -> Call:
        """Wait until a call that uses at most `bound` may start. A call with more tokens than the limit per minute
        starts once the window is empty. Raises OverBudget and Stopped."""
        with self._turn:
            while True:
                with self._transaction() as now:
                    wait = self._budget_wait(bound) or self._limits_wait(now, bound)
                    if not wait:
                        return self._enter(now, bound)
                if sleep(wait):
                    raise Stopped

    def settle(self, call: Call, used: Usage) -> None:
        """Replace the bound of a call by what it used, also if it has been given up; none if it is not charged."""
        with self._transaction():
            found = self._database.execute(
                "UPDATE calls SET until = NULL, prompt_tokens = ?, completion_tokens = ?"
                " WHERE id = ? AND until IS NOT NULL",
                (used["prompt_tokens"], used["completion_tokens"], call.id),
            )
            counted = NO_USAGE if found.rowcount else call.bound
            self._add({key: used[key] - counted[key] for key in used})

    def hold(self, seconds: float) -> None:
        """Let no call start for `seconds`."""
        with self._transaction() as now:
            self._database.execute("UPDATE totals SET next = max(next, ?)", (now + seconds,))

    # ---- sums

    @property
    def usage(self) -> Usage:
        """What all calls have used that are settled or given up."""
        with self._transaction():
            return self._usage()

    @property
    def spent(self) -> float:
        """What they cost, US dollars."""
        return cost(self.usage, self._price)

    def add(self, used: Usage) -> None:
        """Count what was used in another way than by a call, as by a batch."""
        with self._transaction():
            self._add(used)

    def raise_to(self, used: Usage) -> None:
        """Count at least as much as replies are known to have used."""
        with self._transaction():
            known = self._usage()
            self._add({key: max(used[key] - known[key], 0) for key in known})

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # ---- within a transaction

    def _budget_wait(self, bound: Usage) -> float:
        """Seconds after which to look again, as others may use less than is set aside for them; 0 if the budget allows
        the call. Raises OverBudget."""
        budget = self._settings.budget
        if budget is None:
            return 0.0
        wanted = cost(self._usage(), self._price) + cost(bound, self._price)
        if wanted > budget:
            raise OverBudget
        set_aside = self._sum(
            "SELECT total(prompt_tokens), total(completion_tokens) FROM calls WHERE until IS NOT NULL"
        )
        return POLL if wanted + cost(set_aside, self._price) > budget else 0.0

    def _limits_wait(self, now: float, bound: Usage) -> float:
        """Seconds after which to look again; 0 if the limits per minute allow the call."""
        (following,) = self._database.execute("SELECT next FROM totals").fetchone()
        if following > now:
            return following - now
        allowed = self._settings.tokens_per_minute
        if allowed is None:
            return 0.0
        tokens, first = self._database.execute(
            "SELECT total(prompt_tokens + completion_tokens), min(start) FROM calls WHERE start > ?", (now - MINUTE,)
        ).fetchone()
        if not tokens or tokens + sum(bound.values()) <= allowed:
            return 0.0
        return min(POLL, max(first + MINUTE - now, 1e-3))

    def _enter(self, now: float, bound: Usage) -> Call:
        entered = self._database.execute(
            "INSERT INTO calls (start, until, prompt_tokens, completion_tokens) VALUES (?, ?, ?, ?)",
            (now, now + self._settings.timeout + GRACE, bound["prompt_tokens"], bound["completion_tokens"]),
        )
        self._database.execute("UPDATE totals SET next = max(next, ?) + ?", (now - LATENESS, self._interval))
        return Call(entered.lastrowid or 0, bound)

    def _give_up(self, now: float) -> None:
        """Count the bound of calls that nobody has settled in time; forget calls that no sum needs any more."""
        self._database.execute("UPDATE calls SET start = ? WHERE start > ?", (now, now))  # the clock was set back
        self._database.execute("UPDATE totals SET next = min(next, ?)", (now + self._longest_wait,))
        lost = self._sum(f"{BOUNDS} WHERE until <= ?", now)
        if lost != NO_USAGE:
            self._add(lost)
            self._database.execute("UPDATE calls SET until = NULL WHERE until <= ?", (now,))
        self._database.execute("DELETE FROM calls WHERE start <= ? AND until IS NULL", (now - MINUTE,))

    def _usage(self) -> Usage:
        return self._sum("SELECT prompt_tokens, completion_tokens FROM totals")

    def _sum(self, query: str, *values: float) -> Usage:
        return dict(zip(NO_USAGE, map(int, self._database.execute(query, values).fetchone()), strict=True))

    def _add(self, used: Usage) -> None:
        self._database.execute(
            "UPDATE totals SET prompt_tokens = prompt_tokens + ?, completion_tokens = completion_tokens + ?",
            (used["prompt_tokens"], used["completion_tokens"]),
        )

    @contextmanager
    def _transaction(self) -> Generator[float]:
        """Read and write as if alone; yields the time."""
        with self._lock, _faults_of(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            with self._database:  # commits, or rolls back
                now = self._clock()
                self._give_up(now)
                yield now


@contextmanager
def _faults_of(path: Path | None) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: {error}: it holds what the judge has spent, and must be on a disk that has room and can lock"
            " files; if it is damaged, remove it, and the sum starts from the journals"
        ) from None


def _connect(path: str) -> sqlite3.Connection:
    """Transactions of 0.02 ms: a kill loses none, as the system writes what the process has handed over."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = PERSIST")
    database.execute("PRAGMA synchronous = OFF")
    return database


@contextmanager
def open_ledger(settings: JudgeSettings, journal: Path, journals: Path | None) -> Generator[Ledger]:
    """The ledger of a judge, which counts at least what the replies in its journals have used.

    Jobs share it through `journals`, the folder of all of the judge's journals; without one, and for a judge that each
    job serves by itself, it is this job's own.
    """
    ledger = Ledger(journals / NAME if journals and settings.base_url else None, settings)
    try:
        if settings.budget is not None:
            ledger.raise_to(past_usage(journal_files(journal, journals)))
        yield ledger
    finally:
        ledger.close()


def spent_so_far(journals: Path) -> Usage:
    """What a judge has used, by the journals in this folder and, if it has one, its ledger. Nothing is written."""
    replies, path = past_usage(journals.rglob("*.jsonl")), journals / NAME
    if not path.exists():
        return replies
    with _faults_of(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
        counted = database.execute("SELECT prompt_tokens, completion_tokens FROM totals").fetchone()
    return {key: max(replies[key], known) for key, known in zip(replies, counted, strict=True)}
