"""What a run says while it runs: its pace, its lines, its failures; test_a_run_that_speaks.py has real ones."""

import logging

import pytest
from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.common import LogEvent

from planning import progress
from planning.logs import log_error
from planning.progress import Expected, Pace, Progress, cause_of, in_words


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_what_jobs_took_corrects_what_is_left_of_their_rule(clock):
    pace = Pace({1: Expected("train", 10), 2: Expected("train", 100), 3: Expected("score", 4)}, clock)
    pace.begin(1)
    clock.now = 30
    assert pace.finish(1) == 30
    assert pace.left() == 100 * 3 + 4, "a training takes three times as long as expected; of scoring nothing is known"


def test_jobs_that_run_side_by_side_leave_less(clock):
    pace = Pace({job: Expected("train", 10) for job in range(8)}, clock)
    for job in (0, 1, 2, 3):
        pace.begin(job)
    clock.now = 10
    for job in (0, 1, 2, 3):
        pace.finish(job)
    assert pace.left() == 10, "the four that are left also run at the same time"


def test_no_less_is_left_than_the_longest_job(clock):
    pace = Pace({1: Expected("prompts", 1), 2: Expected("prompts", 1), 3: Expected("train", 500)}, clock)
    pace.begin(1)
    pace.begin(2)
    clock.now = 1
    pace.finish(1)
    pace.finish(2)
    assert pace.left() == 500


def test_what_a_running_job_has_already_taken_is_not_left(clock):
    pace = Pace({1: Expected("train", 60)}, clock)
    pace.begin(1)
    clock.now = 45
    assert pace.left() == 15
    clock.now = 100
    assert pace.left() == 0


def test_a_job_that_failed_is_left_as_a_whole(clock):
    pace = Pace({1: Expected("train", 60)}, clock)
    pace.begin(1)
    clock.now = 45
    pace.fail(1)
    assert pace.left() == 60 and not pace.running()


def test_without_expectations_no_time_is_given(clock):
    pace = Pace({}, clock)
    pace.begin(1)
    clock.now = 5
    assert (pace.finish(1), pace.left()) == (5, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 1 s"),
        (89, "about 89 s"),
        (90, "about 2 min"),
        (3600, "about 60 min"),
        (3 * 3600, "about 3 h"),
        (5 * 86400, "about 5 days"),
        (200 * 86400, "about 200 days"),
    ],
)
def test_a_time_is_told_in_a_unit_that_suits_it(seconds, words):
    assert in_words(seconds) == words


def test_the_log_with_the_error_is_named_and_quoted(tmp_path):
    slurm, own = tmp_path / "slurm-7.log", tmp_path / "train.log"
    slurm.write_text("srun: job step aborted\n")
    assert cause_of([str(own), str(slurm)]) == (str(slurm), "srun: job step aborted")
    own.write_text("step 1\nerror: rows.jsonl, line 3: no prompt\ntorchrun: bye\n")
    assert cause_of([str(slurm), str(own)]) == (str(own), "error: rows.jsonl, line 3: no prompt")
    assert cause_of([str(tmp_path / "none")]) == ("none was written", "it ended before it could say why")


# ---- lines, from records as Snakemake makes them


@pytest.fixture
def logger(tmp_path):
    """A logger whose screen is a file."""
    logger = logging.Logger("snakemake")
    with (tmp_path / "screen").open("w") as stream:
        logger.addHandler(ColorizingTextHandler(stream=stream))
        yield logger


@pytest.fixture
def screen(logger, tmp_path):
    """What is on the screen."""

    def lines() -> list[str]:
        return (tmp_path / "screen").read_text().splitlines()

    return lines


def begin(logger, job: int, rule: str, **wildcards: str) -> None:
    logger.info("", extra={"event": LogEvent.JOB_INFO, "jobid": job, "rule_name": rule, "wildcards": wildcards})


def failed(job: int, rule: str, *logs: str) -> dict:
    return {"jobid": job, "rule_name": rule, "log": [*logs], "indent": True}


def test_of_a_group_that_fails_those_are_told_whose_log_has_an_error(logger, screen, tmp_path):
    watched = Progress(logger, "paper", 4, Pace({}))
    watched.watch()
    log = tmp_path / "score.log"
    log.write_text("error: no ratings of en\n")
    for job, rule in enumerate(["langid", "score"]):
        begin(logger, job, rule, method="lora", model="pythia-70m", recipe="mono-en")
    jobs = [failed(0, "langid"), failed(1, "score", str(log))]
    logger.error("Error in group", extra={"event": LogEvent.GROUP_ERROR, "job_error_info": jobs, "aux_logs": []})
    for job in jobs:
        logger.error("Error in rule", extra=job | {"event": LogEvent.JOB_ERROR})
    assert [line.split(" ", 1)[1] for line in screen() if line] == [
        "0/4   0%  score lora pythia-70m mono-en FAILED: no ratings of en"
    ]
    assert watched.ending().splitlines()[1:] == [
        "- score lora pythia-70m mono-en: no ratings of en",
        f"  log: {log}",
        "When the cause is mended, the same command goes on from here.",
    ]


def test_a_job_that_succeeds_at_a_later_attempt_is_not_a_failure_at_the_end(logger, screen):
    watched = Progress(logger, "paper", 1, Pace({}))
    watched.watch()
    for _ in range(2):
        begin(logger, 7, "train", model="pythia-70m")
        logger.error("Error in rule", extra=failed(7, "train") | {"indent": False, "event": LogEvent.JOB_ERROR})
    begin(logger, 7, "train", model="pythia-70m")
    logger.info("Finished", extra={"event": LogEvent.JOB_FINISHED, "job_id": 7})
    said = [line.split("  ")[-1] for line in screen() if line]
    assert said[:2] == ["train pythia-70m FAILED: it ended before it could say why"] * 2
    assert said[2].startswith("train pythia-70m: ") and watched.ending().startswith("All 1 jobs are done, in ")


def test_a_run_that_is_stopped_says_how_far_it_is(logger):
    watched = Progress(logger, "paper", 9, Pace({}))
    watched.watch()
    assert watched.ending() == "Stopped after 0:00:00; 0 of 9 jobs are done, and the same command goes on from here."


def test_a_run_that_has_been_silent_says_what_it_is_at(logger, screen, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    watched = Progress(logger, "paper", 2, Pace({1: Expected("train", 7200), 2: Expected("train", 7200)}))
    watched.watch()
    begin(logger, 1, "train", model="pythia-12b")
    begin(logger, 2, "train", model="pythia-70m")
    while not any(screen()):
        pass
    assert " at work: train pythia-12b for about 1 s and 1 more; about 2 h left" in next(filter(None, screen()))
    watched.end()


def test_what_an_endpoint_wrote_to_a_log_cannot_steer_the_terminal(tmp_path):
    log = tmp_path / "judge.log"
    log.write_bytes("error: judge: \x1b]0;owned\x07\x1b[31mno\x9b2J\n".encode())
    assert log_error(log) == r"error: judge: \x1b]0;owned\x07\x1b[31mno\x9b2J"
