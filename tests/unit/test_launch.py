"""The ranks of a program are started by torchrun, and the launcher ends as they end."""

import os
import re
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


SRUN = """#!/bin/sh
# In place of Slurm's: two nodes, which are this machine.
shift 7
for node in 0 1; do SLURM_NODEID=$node "$@" & pids="$pids $!"; done
for pid in $pids; do wait $pid || exit 1; done
"""


@pytest.fixture
def two_nodes(tmp_path, monkeypatch):
    """An srun on the path, and a program whose ranks add up, over gloo, and say by which address they met."""
    srun, program = tmp_path / "bin" / "srun", tmp_path / "rank.py"
    srun.parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{srun.parent}:{os.environ['PATH']}")
    program.write_text(
        "import os, torch, torch.distributed as group\n"
        "group.init_process_group('gloo')\n"
        "total = torch.tensor(group.get_rank() + 1)\n"
        "group.all_reduce(total)\n"
        "os.write(1, f\"{total} by {os.environ['MASTER_ADDR']} {os.environ.get('GLOO_SOCKET_IFNAME')}\\n\".encode())\n"
        "group.destroy_process_group()\n"  # or else, at times, "terminate called": pytorch #190489
    )
    return str(program)


def test_nodes_meet_at_the_interface_that_is_named_for_nccl(two_nodes, monkeypatch):
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "l")  # a beginning is enough
    run = launch(two_nodes, "--ranks", "1", "--nodes", "2")
    assert run.stdout.splitlines() == ["3 by 127.0.0.1 lo"] * 2, run.stderr


def test_nodes_meet_by_host_name_if_no_interface_is_named(two_nodes, monkeypatch):
    monkeypatch.delenv("NCCL_SOCKET_IFNAME", raising=False)
    run = launch(two_nodes, "--ranks", "1", "--nodes", "2")
    assert [line.split()[0] for line in run.stdout.splitlines()] == ["3", "3"], run.stderr


def test_an_interface_that_a_node_lacks_is_told_with_those_that_it_has(two_nodes, monkeypatch):
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "=ib7")
    run = launch(two_nodes, "--ranks", "1", "--nodes", "2")
    assert run.returncode == 1
    assert re.fullmatch(
        r"error: NCCL_SOCKET_IFNAME is '=ib7', but \S+ has no such network interface; it has .*\blo\b.*\n", run.stderr
    )


def test_a_signal_that_srun_would_kill_the_ranks_for_reaches_it_as_another(tmp_path, monkeypatch):
    """At SIGTERM, a real srun (22.05) says "forcing job termination"; tests/slurm sends one to a training."""
    srun = tmp_path / "srun"
    srun.write_text(
        f"#!{sys.executable}\nimport signal\n"
        "for number in (signal.SIGTERM, signal.SIGUSR1): signal.signal(number, lambda *_: None)\n"
        "print('up', flush=True)\n"
        "print(signal.sigwait([signal.SIGTERM, signal.SIGUSR1]).name, flush=True)\n"
    )
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command = [sys.executable, str(tiny.SCRIPTS / "launch.py"), "--ranks", "1", "--nodes", "2", "rank.py"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    process.terminate()
    assert process.communicate(timeout=30)[0] == "SIGUSR1\n" and process.returncode == 0
