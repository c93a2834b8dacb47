"""The ranks of a program are started by torchrun, and how they end is how the launcher ends."""

import subprocess
import sys

import pytest
import tiny


def launch(program: str, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(tiny.SCRIPTS / "launch.py"), *options]
    return subprocess.run([*command, program], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("ending", "status"), [("pass", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 128 + 9)])
def test_the_status_is_that_of_the_rank_that_failed_and_its_words_are_the_last(tmp_path, ending, status):
    program = tmp_path / "rank.py"
    program.write_text(
        "import os, sys, time\n"
        'os.write(2, f\'rank {os.environ["RANK"]} of {os.environ["WORLD_SIZE"]}\\n\'.encode())\n'  # in one piece
        f"if os.environ['RANK'] == '1': {ending}\n"
        f"elif {status}: time.sleep(60)\n"  # stopped by the launcher when the other fails
    )
    run = launch(str(program), "--ranks", "2")
    assert run.returncode == status, run.stderr
    assert {"rank 0 of 2", "rank 1 of 2"} <= set(run.stderr.splitlines())
    assert "Traceback" not in run.stderr


def test_several_nodes_are_for_a_slurm_job(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = launch("rank.py", "--ranks", "1", "--nodes", "2")
    assert run.returncode == 1
    assert run.stderr == "error: --nodes: there is no srun here; several nodes are for a Slurm job\n"
