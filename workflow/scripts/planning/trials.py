"""A job of the preflight: its steps, each of them a program of the run, and what it finds, which is written at any end.

Findings are a JSON object: ok; line, what is wrong and what to do about it, or what has been seen; step, the last that
was begun; seconds, by step; measured, a mapping that depends on the kind; node. Those of a job that has not succeeded
are in another file, so that Snakemake sees it fail and tries it again when asked. It is there from the start: a job
that is killed leaves in it how far it came.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from basics.errors import InputError, system_fault
from basics.writing import write_json
from planning.findings import TRIAL, failed_file
from planning.node import check_room, check_temporary, node_facts
from serving.server import end_with_parent
from training.trackers import TRACKERS

SECONDS = 510.0  # for all steps, within the ten minutes of the job, in which Snakemake starts as well
GRACE = 10.0  # seconds between SIGTERM and SIGKILL for a step whose time is up
KILLED = 128  # exit statuses from here are signals, as a shell reports them


class Unexplained(InputError):
    """A program of a step was not done in time, or ended without saying why."""


class Trial:
    """The steps of a job, within its time, and what has been found so far. `folder` is for files of the steps."""

    def __init__(self, output: Path, seconds: float):
        self.folder = output.with_suffix(TRIAL)
        self.measured: dict[str, Any] = {}
        self._output, self._end = output, time.monotonic() + seconds
        self._seconds: dict[str, float] = {}
        self._step, self.node = "start", {}

    def found(self, ok: bool, line: str) -> dict[str, Any]:
        """The findings, as they are written."""
        known = {"ok": ok, "line": line, "step": self._step, "node": self.node}
        return known | {"measured": self.measured, "seconds": self._seconds}

    def note(self, line: str) -> None:
        """Write what there is, as that of a job that has not succeeded. A disk without room for it changes nothing:
        the log has the line too."""
        with suppress(OSError):
            write_json(failed_file(self._output), self.found(False, line))

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Within the block, what goes wrong is said to be of this step."""
        self._step, began = name, time.monotonic()
        silent = f"{name}: ended without a word, as if killed: for its memory or time? See the job's log, and sacct"
        try:
            self.note(silent)
            print(f"-- {name}", file=sys.stderr, flush=True)
            yield
        except InputError as fault:
            raise InputError(f"{name}: {fault}") from None
        finally:
            self._seconds[name] = round(time.monotonic() - began, 2)

    def left(self) -> float:
        """Seconds. Raises InputError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unexplained(f"not begun: {SECONDS / 60:.0f} minutes are over; {self._slowest()}")
        return left

    @contextmanager
    def started(self, command: Sequence[object], log: str) -> Generator[subprocess.Popen]:
        """A program of ours, for the length of a block, in a process group of its own; `log` is the name of a file in
        `folder` for what it says, which is then added to the log of the job."""
        said = self.folder / log
        with said.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                stdout=stream,
                stderr=stream,
                env=os.environ | {TRACKERS: ""},  # nobody wants to see these losses
                start_new_session=True,
                preexec_fn=partial(end_with_parent, os.getpid()) if sys.platform == "linux" else None,
            )
        try:
            yield process
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, sign)
                    process.wait(GRACE)
            sys.stderr.write(said.read_text("utf-8", "replace"))

    def wait(self, process: subprocess.Popen, log: str, expected: int = 0, within: float | None = None) -> None:
        """Wait for the end of a program. Raises InputError if its status is another, or its time is up."""
        try:
            seconds = min(self.left(), within or SECONDS)
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Unexplained("; ".join(filter(None, (f"not done after {seconds:.0f} s", self._slowest())))) from None
        if status != expected:
            raise fault_in((self.folder / log).read_text("utf-8", "replace"), status)

    def run(self, command: Sequence[object], log: str, within: float | None = None) -> float:
        """Run a program to its end, which must be a success; return its seconds."""
        self.left()
        began = time.monotonic()
        with self.started(command, log) as process:
            self.wait(process, log, within=within)
        return time.monotonic() - began

    def _slowest(self) -> str:
        """Where the time went, for the end of a message."""
        spent = sorted(self._seconds.items(), key=lambda pair: -pair[1])[:2]
        return "before it, " + ", ".join(f"{name} took {seconds:.0f} s" for name, seconds in spent) if spent else ""


def fault_in(said: str, status: int) -> InputError:
    """One line on what a program ended with, from what it said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return InputError(errors[0])
    number = -status if status < 0 else status - KILLED
    if number == signal.SIGKILL:
        return InputError(
            "was killed, perhaps for its memory: raise `memory` of its row in compute, or see the job's log"
        )
    ended = f"status {status}"
    with suppress(ValueError):
        ended = f"ended by {signal.Signals(number).name}"
    return Unexplained(f"{ended}; {(lines[-1:] or ['it said nothing'])[0][:300]}")


def _end_on_signal(number: int, _: object) -> None:
    raise InputError(f"was told to end ({signal.Signals(number).name}); run the preflight again")


@contextmanager
def trial(output: Path, hosts: Iterable[str], seconds: float = SECONDS) -> Generator[Trial]:
    """The trial of a job whose findings go to `output`. At the end of the block they are written, and the files of
    the steps removed. Raises InputError, whose line has been written before, for a fault of the node or in the block.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    here = Trial(output, seconds)
    signal.signal(signal.SIGTERM, _end_on_signal)
    shutil.rmtree(here.folder, ignore_errors=True)
    try:
        with here.step("node"):
            here.node = node_facts(output.parent, hosts)
            check_room(output.parent)
            check_temporary()
        here.folder.mkdir()
        yield here
    except (InputError, OSError) as error:
        line = str(error) if isinstance(error, InputError) else f"{error.filename or 'system'}: {system_fault(error)}"
        shutil.rmtree(here.folder, ignore_errors=True)  # which may make the room for a line
        here.note(line)
        raise InputError(line) from None
    shutil.rmtree(here.folder, ignore_errors=True)
    failed_file(output).unlink(missing_ok=True)
    write_json(output, here.found(True, "ok"))
