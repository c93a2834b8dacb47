"""What a run says while it runs: a line for each job that ends, with the time left, and what failed again at the end.

Snakemake (9.27) has four lines for that, none of which says which model a training is of, or up to twenty; and what
failed it leaves out where `quiet` has `rules`. Its own lines are still in the file that it names at the end.
"""

import logging
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from snakemake.logging import ColorizingTextHandler, logger
from snakemake_interface_logger_plugins.common import LogEvent

from basics.errors import InputError
from planning.forecast import Forecast
from planning.jobs import workflow_to_run
from planning.logs import ERROR, log_error
from planning.notices import notify, notify_meanwhile

OURS = {LogEvent.JOB_STARTED, LogEvent.JOB_INFO, LogEvent.GROUP_INFO, LogEvent.JOB_FINISHED, LogEvent.PROGRESS}
OURS |= {LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR}
BETWEEN = "Select jobs to execute..."  # the only one of Snakemake's lines between jobs that has no event
UNITS = (("s", 1), ("min", 60), ("h", 3600), ("days", 86400))
SILENCE = 600  # seconds without a line until one says what is being worked on


class Expected(NamedTuple):
    """A job that is to be run."""

    rule: str
    seconds: float


class Failure(NamedTuple):
    """A job that failed, the log to read, and what that says."""

    job: str
    log: str
    says: str


def expected_jobs(workflow) -> dict[int, Expected]:
    """The jobs of a Snakemake workflow that is about to run, by their numbers, as `make plan` expects them.

    None if an earlier result cannot be read, which is for the job that needs it to find, or is of a rule that the
    command line leaves out (`--allowed-rules`).
    """
    planned, jobs = workflow_to_run(workflow)
    forecast = Forecast(planned)
    try:
        return {number: Expected(job.rule, forecast.seconds(job)) for number, job in jobs.items()}
    except KeyError as error:
        why = f"no rule of this run makes {error}"
    except InputError as error:
        why = str(error)
    print(f"warning: no time left will be given: {why}", file=sys.stderr, flush=True)
    return {}


class Pace:
    """The time that a run still takes: what its jobs are expected to take, corrected by those that have ended.

    A rule's jobs that have ended correct those that are left, of any size; a rule of which none has ended is taken to
    be as expected. As many jobs will run at a time as have so far.
    """

    def __init__(self, expected: Mapping[int, Expected], clock: Callable[[], float] = time.monotonic):
        self._left, self._clock, self._start = dict(expected), clock, clock()
        self._begun: dict[int, float] = {}
        self._expected: defaultdict[str, float] = defaultdict(float)  # seconds of jobs that have ended, by rule
        self._measured: defaultdict[str, float] = defaultdict(float)

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return self._clock() - self._start

    def begin(self, job: int) -> None:
        """A job has been started or, on a cluster, submitted."""
        self._begun[job] = self._clock()

    def fail(self, job: int) -> None:
        """A job has failed; it is left to be done."""
        self._begun.pop(job, None)

    def finish(self, job: int) -> float:
        """A job has ended well. Returns how many seconds it took."""
        seconds = self._clock() - self._begun.pop(job, self._start)
        if job in self._left:
            rule, expected = self._left.pop(job)
            self._expected[rule] += expected
            self._measured[rule] += seconds
        return seconds

    def running(self) -> dict[int, float]:
        """Seconds since the start of each job that has not ended."""
        return {job: self._clock() - begun for job, begun in self._begun.items()}

    def left(self) -> float | None:
        """Seconds until the end of the run, no less than the longest job that is left; None if nothing is expected."""
        if not self._left:
            return None
        running = self.running()
        each = [
            max(0.0, expected * self._factor(rule) - running.get(job, 0.0))
            for job, (rule, expected) in self._left.items()
        ]
        at_a_time = (sum(self._measured.values()) + sum(running.values())) / max(self.elapsed, 1e-9)
        return max(sum(each) / max(at_a_time, 1.0), max(each, default=0.0))

    def _factor(self, rule: str) -> float:
        return self._measured[rule] / self._expected[rule] if self._expected[rule] else 1.0


class Progress(logging.Handler):
    """Says what becomes of the jobs of a run, on Snakemake's logger, as its records arrive there."""

    def __init__(self, logger: logging.Logger, run: str, jobs: int, pace: Pace):
        super().__init__()
        self._logger, self._run, self._jobs, self._pace = logger, run, jobs, pace
        self._names: dict[int, str] = {}
        self._failed: dict[int, Failure] = {}
        self._done, self._had_failures, self._has_screen = 0, False, False
        self._said = threading.Event()  # since the last look whether the run is silent
        self._over = threading.Event()

    def watch(self) -> None:
        """Take the place of Snakemake's lines on the screen, unless a plugin of the user's has it (`--logger`)."""
        screens = [each for each in self._logger.handlers if isinstance(each, ColorizingTextHandler)]
        for screen in screens:
            screen.addFilter(is_not_ours)
        self._has_screen = bool(screens)
        self._logger.addHandler(self)
        threading.Thread(target=self._break_silence, daemon=True).start()

    def end(self) -> None:
        """Say how the run has ended, also to those who wait for it."""
        self._over.set()
        self._logger.removeHandler(self)
        self._logger.log(logging.ERROR if self._failed else logging.INFO, self.ending())
        result = "done" if self._done == self._jobs else "ended with failures" if self._failed else "stopped"
        notify(f"{self._run}: {result}", self.ending())

    def ending(self) -> str:
        """How the run has ended: the failures that were not made good since, or that all is done."""
        took = clock_time(self._pace.elapsed)
        if self._done == self._jobs:
            return f"All {self._jobs:,} jobs are done, in {took}."
        again = "the same command goes on from here."
        if not self._failed:
            return f"Stopped after {took}; {self._done:,} of {self._jobs:,} jobs are done, and {again}"
        waiting = self._jobs - self._done - len(self._failed)
        rest = f", and {waiting:,} that need them were not begun" if waiting else ""
        heading = f"{len(self._failed):,} of {self._jobs:,} jobs failed{rest}, after {took}:"
        return f"{heading}\n{failures_list(self._failed.values())}\nWhen the cause is mended, {again}"

    def emit(self, record: logging.LogRecord) -> None:
        try:
            match vars(record):
                case {"event": LogEvent.JOB_INFO, "jobid": job, "rule_name": rule, "wildcards": wildcards}:
                    self._names[job] = " ".join([rule, *wildcards.values()])
                    self._pace.begin(job)
                case {"event": LogEvent.JOB_FINISHED, "job_id": job}:
                    self._finish(job)
                case {"event": LogEvent.JOB_ERROR, "indent": False} as job:  # not those of a group
                    self._fail([job])
                case {"event": LogEvent.GROUP_ERROR, "job_error_info": jobs, "aux_logs": logs}:
                    self._fail(jobs, logs)
        except Exception:  # as all handlers do: no run ends because a line could not be written
            self.handleError(record)

    def _finish(self, job: int) -> None:
        seconds = self._pace.finish(job)
        self._failed.pop(job, None)
        self._done += 1
        self._say(f"{self._names[job]}: {short_time(seconds)}{self._time_left()}")

    def _fail(self, jobs: Iterable[Mapping], more_logs: Iterable[str] = ()) -> None:
        """Tell which jobs failed: of a group, which fails as a whole, those whose log has an error, if any has."""
        failures = {}
        for job in jobs:
            self._pace.fail(job["jobid"])
            failures[job["jobid"]] = Failure(self._names[job["jobid"]], *cause_of([*job["log"], *more_logs]))
        told = {job: failure for job, failure in failures.items() if is_error(failure.says)} or failures
        for failure in told.values():
            self._say(f"{failure.job} FAILED: {failure.says.removeprefix(ERROR)}", logging.ERROR)
        if not self._had_failures:
            self._had_failures = True
            notify_meanwhile(f"{self._run}: a first failure, {self._counted()}", failures_list(told.values()))
        self._failed |= told

    def _say(self, text: str, level: int = logging.INFO) -> None:
        self._said.set()
        if self._has_screen:
            self._logger.log(level, f"{clock_time(self._pace.elapsed)} {self._counted()}  {text}")

    def _time_left(self) -> str:
        left = self._pace.left()
        return "" if left is None else f"; {in_words(left)} left"

    def _counted(self) -> str:
        return f"{self._done:>{len(str(self._jobs))}}/{self._jobs} {self._done / self._jobs:>4.0%}"

    def _break_silence(self) -> None:
        while not self._over.wait(SILENCE):
            self.acquire()
            try:
                running = self._pace.running()
                if running and not self._said.is_set():
                    longest = max(running, key=running.__getitem__)
                    others = f" and {len(running) - 1:,} more" if len(running) > 1 else ""
                    since = in_words(running[longest])
                    self._say(f"at work: {self._names[longest]} for {since}{others}{self._time_left()}")
                self._said.clear()
            finally:
                self.release()


_watching: list[Progress] = []  # that of the run of this process


def watch_run(workflow) -> None:
    """Say from now on what becomes of the jobs of a Snakemake workflow that is about to run them."""
    jobs = len(list(workflow.dag.needrun_jobs()))
    progress = Progress(logger, workflow.config["experiment"], jobs, Pace(expected_jobs(workflow)))
    progress.watch()
    _watching.append(progress)


def end_run() -> None:
    """Say how the run has ended. It may have ended before `watch_run`."""
    while _watching:
        _watching.pop().end()


def is_not_ours(record: logging.LogRecord) -> bool:
    """Whether Snakemake is to show a record of its own as well."""
    return getattr(record, "event", None) not in OURS and record.msg != BETWEEN


def failures_list(failures: Iterable[Failure]) -> str:
    """What failed, why, and where to read more."""
    return "\n".join(
        f"- {failure.job}: {failure.says.removeprefix(ERROR)}\n  log: {failure.log}" for failure in failures
    )


def cause_of(logs: Iterable[str]) -> tuple[str, str]:
    """Which of the logs of a job that failed to read, and what it says. Slurm's are among them: a job that did not get
    as far as its program has no other.
    """
    written = [log for log in logs if Path(log).exists()]
    if not written:
        return "none was written", "it ended before it could say why"
    log = next((log for log in written if is_error(log_error(Path(log)))), written[0])
    return log, log_error(Path(log))


def is_error(line: str) -> bool:
    """Whether a line of a log is that by which our programs say why they end."""
    return line.startswith(ERROR)


def clock_time(seconds: float) -> str:
    """Hours, minutes and seconds, such as 0:03:47."""
    return str(timedelta(seconds=round(seconds)))


def short_time(seconds: float) -> str:
    """How long something took, such as 47 s."""
    return f"{seconds:.0f} s" if seconds < 100 else clock_time(seconds)


def in_words(seconds: float) -> str:
    """About how long something takes, in a unit that suits it."""
    name, length = next((unit for unit in UNITS if seconds < 90 * unit[1]), UNITS[-1])
    return f"about {max(1, round(seconds / length)):,} {name}"
