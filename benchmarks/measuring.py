"""Run commands and measure them, keep the measurements, and make tables of them."""

import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

from basics.errors import InputError  # noqa: E402

SAMPLE = 0.05  # seconds between two readings of a process tree's memory
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class Measured(NamedTuple):
    """The time and memory of a command, including its children, and its output."""

    wall: float
    cpu: float
    peak: int  # resident bytes
    output: str


def measure(command: list, **environment: str) -> Measured:
    """Run a command to its end. Raises InputError with the last line of its stderr if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=messages,
            env=os.environ | ONE_THREAD | environment,
        )
        while True:
            peak = max(peak, resident(process.pid))
            try:
                status = process.wait(timeout=SAMPLE)
                break
            except subprocess.TimeoutExpired:
                continue
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        output.seek(0)
        messages.seek(0)
        printed, complaint = output.read().decode("utf-8"), messages.read().decode("utf-8", errors="replace")
    if status:
        last = (complaint.strip() or "no message").splitlines()[-1]
        raise InputError(f"{Path(command[1]).name}: ended with status {status} ({last})")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall, cpu, peak, printed)


def resident(pid: int) -> int:
    """Resident bytes of a process and all its descendants, now."""
    total = 0
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.NoSuchProcess:  # it has ended in the meantime
        pass
    return total


class Turn(NamedTuple):
    """One measurement: its subject, the data, the seconds, and whatever else was measured."""

    subject: str
    data: str
    wall: float
    cpu: float
    details: dict


class Notebook:
    """The measurements made so far; each is also logged to stderr."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.start_up: dict[str, tuple[float, float]] = {}  # by subject: wall and CPU seconds to subtract
        self.start = time.monotonic()

    def log(self, text: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - self.start), 60)
        print(f"{minutes:3d}:{seconds:02d}  {text}", file=sys.stderr, flush=True)

    def note(self, subject: str, data: str, wall: float, cpu: float, **details: object) -> None:
        """Record one measurement, less the start-up of its subject."""
        start_up = self.start_up.get(subject, (0.0, 0.0))
        self.turns.append(Turn(subject, data, wall - start_up[0], cpu - start_up[1], details))
        self.log(f"{data}: {subject}: {wall:.1f} s, {cpu:.1f} s of CPU")

    def take_off_start_up(self, data: str) -> None:
        """From now on, subtract what each subject took on `data`, which is next to nothing."""
        for turn in self.turns:
            if turn.data == data:
                self.start_up[turn.subject] = turn.wall, turn.cpu

    def turns_of(self, subject: str, data: str) -> list[Turn]:
        return [turn for turn in self.turns if (turn.subject, turn.data) == (subject, data)]

    def median(self, subject: str, data: str, value: Callable[[Turn], float]) -> float:
        return statistics.median(value(turn) for turn in self.turns_of(subject, data))

    def ratios(self, fast: str, slow: str, data: str, work: str = "") -> list[str]:
        """How many times as fast `fast` is as `slow`, by wall and by CPU time, turn by turn.

        Each did the same amount of work, or the amount that its detail `work` gives.
        """

        def pace(turn: Turn, clock: str) -> float:
            return (turn.details[work] if work else 1) / getattr(turn, clock)

        pairs = list(zip(self.turns_of(fast, data), self.turns_of(slow, data), strict=True))
        return [spread([pace(a, clock) / pace(b, clock) for a, b in pairs]) for clock in ("wall", "cpu")]


def spread(values: list[float]) -> str:
    """The median and, in brackets, the extremes."""
    extremes = f" ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.2f}{extremes}"


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def processor() -> str:
    """The processor's name, as Linux gives it."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.machine()
