"""Before the first job: can results be written, and would Slurm take the jobs?"""

import os
import time
from types import SimpleNamespace

import pytest

from basics.errors import InputError
from basics.paths import TIMESTAMP
from planning.jobs import Call, calls_of, inputs_of, judges_called, models_trained_again
from planning.start import (
    check_dates,
    check_keys,
    check_start_or_exit,
    check_writable,
    warn_of_trainings,
)
from planning.submissions import Submission, check_slurm

TRAINING = Submission("train", "sbatch --parsable --comment test -A proj -p gpu --gpus=4")


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Put an sbatch on the path that notes how it is called, in the returned file, and runs the given lines."""

    def put(*lines):
        program = tmp_path / "bin" / "sbatch"
        program.parent.mkdir()
        program.write_text("\n".join(["#!/bin/sh", f'echo "$*" >> {tmp_path}/calls', *lines]) + "\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        monkeypatch.setenv("USER_QOS", "long")
        return tmp_path / "calls"

    return put


def test_jobs_are_tested_and_not_submitted(sbatch):
    calls = sbatch("exit 0")
    check_slurm([TRAINING, TRAINING._replace(command="sbatch --comment test --qos=$USER_QOS")])
    assert calls.read_text().splitlines() == [
        "--parsable --comment test -A proj -p gpu --gpus=4 --test-only --wrap=true",
        "--comment test --qos=long --test-only --wrap=true",
    ]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Invalid account or account/partition combination specified", "set SLURM_ACCOUNT"),
        ("Invalid partition name specified", "set SLURM_CPU_PARTITION and SLURM_GPU_PARTITION"),
        ("Requested node configuration is not available", "compute.node"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "`runtime`"),
        ("Invalid feature specification", "SLURM_GPU_CONSTRAINT"),
    ],
)
def test_a_refusal_is_one_line_with_the_rule_the_reason_and_the_remedy(sbatch, said, remedy):
    sbatch("echo 'sbatch: error: of some kind' >&2", f"echo 'allocation failure: {said}' >&2", "exit 1")
    with pytest.raises(InputError) as refusal:
        check_slurm([TRAINING])
    told = str(refusal.value)
    assert told.startswith("Slurm would refuse a job of train (-A proj -p gpu --gpus=4): ") and "\n" not in told
    assert said in told and remedy in told


def test_a_reason_that_is_not_known_is_told_as_it_is(sbatch):
    sbatch("echo 'allocation failure: Moon in the wrong phase' >&2", "exit 1")
    with pytest.raises(InputError, match=r"\): Moon in the wrong phase; if .* skip starts without asking$"):
        check_slurm([TRAINING])


def test_without_sbatch_the_place_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="sbatch: not on the PATH"):
        check_slurm([TRAINING])


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "results/paper")
    assert list((tmp_path / "results/paper").iterdir()) == []


def test_a_place_that_cannot_be_written_ends_the_program_with_one_line(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(SystemExit, match=r"^error: .*results/paper: cannot be written \(Not a directory\)"):
        check_start_or_exit(str(tmp_path / "results/paper"), [])


def test_a_key_that_is_not_set_is_told_before_anything_is_paid_for(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    check_keys({"MY_KEY": "mine"})
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(InputError, match="judge 'mine': the environment variable MY_KEY is not set; export it"):
        check_keys({"MY_KEY": "mine"})


def test_an_input_with_a_date_to_come_is_refused(tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    check_dates(tmp_path, [str(file), str(folder), str(tmp_path / "made-later")])
    tomorrow = time.time() + 86400
    for path in (file, folder):
        os.utime(path, (tomorrow, tomorrow))
        with pytest.raises(InputError, match=r"dated 24\.0 hours from now") as refusal:
            check_dates(tmp_path, [str(path)])
        assert f"`find {tmp_path} {path} -newermt now -exec touch {{}} +`" in str(refusal.value)
    (folder / TIMESTAMP).touch()
    check_dates(tmp_path, [str(folder)])


def test_a_clock_that_is_a_little_ahead_is_waited_for(tmp_path):
    soon = time.time() + 0.5
    os.utime(tmp_path, (soon, soon))
    check_dates(tmp_path, [str(tmp_path)])
    assert time.time() >= soon


# What is asked of Snakemake's own jobs


def job(rule: str, **more) -> SimpleNamespace:
    """A job as Snakemake has it, as far as it is asked here."""
    named = more.pop("wildcards", {})
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule),
        input=more.pop("input", []),
        output=more.pop("output", []),
        params=more.pop("params", None),
        wildcards=SimpleNamespace(**named),
        wildcards_dict=named,
    )


def test_inputs_are_those_of_all_jobs():
    assert inputs_of([job("seed", input=["a"]), job("recipe", input=["b", "c"])]) == ["a", "b", "c"]


def test_judges_are_called_by_jobs_that_rate():
    jobs = [
        job("judge", wildcards={"judge": "called"}),
        job("judge_on_gpu", wildcards={"judge": "served"}),
        job("judge_controls", wildcards={"judge": "planted"}),
        job("score", wildcards={"judge": "finished"}),
        job("judge_report"),
    ]
    assert judges_called(jobs) == {"called", "served", "planted"}


def test_a_judge_that_many_jobs_call_is_checked_once():
    said = {"params": SimpleNamespace(judge='{"name": "called"}', journals="journals/called")}
    said |= {"input": SimpleNamespace(template="judge.txt"), "wildcards": {"judge": "called"}}
    jobs = [
        job("judge", **said),
        job("judge", **said),
        job("judge_report"),
        job("score", wildcards={"judge": "called"}),
    ]
    assert calls_of(jobs) == {Call('{"name": "called"}', "judge.txt", "journals/called")}


def test_finished_models_are_named_that_are_trained_again_for_a_job_before_them(tmp_path):
    finished, new = tmp_path / "finished", tmp_path / "new"
    finished.mkdir()
    jobs = [job("train", output=[finished]), job("train_on_nodes", output=[new]), job("respond", output=[finished])]
    for files, expected in ((["tokens"], [str(finished)]), ([], [])):
        assert models_trained_again(jobs, lambda job: SimpleNamespace(updated_input_run=files)) == expected  # noqa: B023


def test_a_warning_says_how_to_find_out_whether_models_must_be_trained_again(capsys):
    warn_of_trainings([])
    assert not capsys.readouterr().err
    warn_of_trainings(["results/paper/models/lora/a/multilingual", "b", "c"])
    said = capsys.readouterr().err
    assert said.startswith("warning: results/paper/models/lora/a/multilingual and 2 more will be trained again")
    assert "make `all_tokens` first" in said and said.count("\n") == 1
