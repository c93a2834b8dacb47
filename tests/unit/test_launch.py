"""The ranks of a program are started by torchrun, and the launcher ends as they end."""

import subprocess
import sys

import pytest

import tiny


def launch(program: str, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(tiny.SCRIPTS / "launch.py"), *options]
    return subprocess.run([*command, program], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("ending", "status"), [("pass", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 128 + 9)])
def test_the_exit_status_is_that_of_the_rank_that_failed_and_there_is_no_traceback(tmp_path, ending, status):
    program = tmp_path / "rank.py"
    program.write_text(
        "import os, sys, time\n"
        'os.write(2, f\'rank {os.environ["RANK"]} of {os.environ["WORLD_SIZE"]}\\n\'.encode())\n'  # a single write
        f"if os.environ['RANK'] == '1': {ending}\n"
        f"elif {status}: time.sleep(60)\n"  # stopped by the launcher when the other fails
    )
    run = launch(str(program), "--ranks", "2")
    assert run.returncode == status, run.stderr
    assert {"rank 0 of 2", "rank 1 of 2"} <= set(run.stderr.splitlines())
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(("of_the_job", "of_a_rank"), [(None, "1"), ("8", "4"), ("1", "1")])
def test_ranks_share_the_threads_of_the_job(tmp_path, monkeypatch, of_the_job, of_a_rank):
    monkeypatch.delenv("OMP_NUM_THREADS")
    if of_the_job:
        monkeypatch.setenv("OMP_NUM_THREADS", of_the_job)
        monkeypatch.setenv("MKL_NUM_THREADS", of_the_job)
    program = tmp_path / "rank.py"
    program.write_text(
        "import os\nfor name in ('OMP', 'MKL'): os.write(1, (os.environ[f'{name}_NUM_THREADS'] + '\\n').encode())\n"
    )
    assert launch(str(program), "--ranks", "2").stdout.split() == [of_a_rank] * 4


def test_several_nodes_need_a_slurm_job(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = launch("rank.py", "--ranks", "1", "--nodes", "2")
    assert run.returncode == 1
    assert run.stderr == "error: --nodes: there is no srun here; several nodes are for a Slurm job\n"
