"""Jobs of an earlier run that this one will wait for are named on the console, with id and time."""

import signal
import subprocess
import sys
import time

import pytest

from planning.orphans import Orphan, orphans_here, orphans_on_slurm, warn_of_orphans
from tiny import SCRIPTS

HOLD = "import sys, time; from basics.locking import hold_log; hold_log(); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def writer(tmp_path):
    """A program of ours that writes the log `tmp_path/log`."""
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD], cwd=SCRIPTS, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_process_that_still_writes_a_log_is_told_with_its_id_and_time(writer, tmp_path):
    (tmp_path / "other").write_text("of a job that has ended")
    log = str(tmp_path / "log")
    [orphan] = orphans_here([log, str(tmp_path / "other"), str(tmp_path / "none")])
    assert orphan.end == f"kill {writer.pid}"
    assert orphan.line.startswith(f"process {writer.pid}, sleeping for 0:00:0") and orphan.line.endswith(f": {log}")


def test_one_that_is_stopped_is_told_to_be(writer, tmp_path):
    writer.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while "stopped" not in orphans_here([str(tmp_path / "log")])[0].line:
        assert time.monotonic() < deadline


def test_looking_leaves_a_log_to_its_job(writer, tmp_path):
    writer.kill()
    writer.wait()
    assert orphans_here([str(tmp_path / "log")]) == []


def test_slurm_names_the_jobs_that_were_submitted_from_this_folder(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    rows = [
        f"7|RUNNING|1:02:03|{tmp_path}|rule_train_wildcards_lora_a_mono-en",
        f"8|SUSPENDED|5-00:00:00|{tmp_path}|rule_scoring",
        "9|RUNNING|0:01|/elsewhere|rule_train_wildcards_lora_a_mono-en",
        f"10|RUNNING|0:01|{tmp_path}|(null)",
    ]
    squeue.write_text("#!/bin/sh\ncat <<END\n" + "\n".join(rows) + "\nEND\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert orphans_on_slurm(tmp_path) == [
        Orphan("scancel 7", "Slurm job 7, running for 1:02:03: train_wildcards_lora_a_mono-en"),
        Orphan("scancel 8", "Slurm job 8, suspended for 5-00:00:00: scoring"),
    ]


def test_the_warning_is_a_line_a_job_and_not_a_page(capsys):
    warn_of_orphans([])
    assert not capsys.readouterr().err
    warn_of_orphans([Orphan(f"scancel {job}", f"Slurm job {job}, running for 0:01: train") for job in range(12)])
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: jobs of an earlier Snakemake are still there, 12 in all; ")
    assert lines[0] == "  Slurm job 0, running for 0:01: train (scancel 0)" and lines[-1] == "... and 2 more"
    assert len(lines) == 11
