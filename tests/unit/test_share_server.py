"""One server for the jobs that follow each other on a machine: it starts once, and ends when nobody uses it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from basics.errors import InputError
from judge_job import REPOSITORY, SCRIPTS, Job, response
from serving.sharing import SharedServer, meeting_place

STAND_IN = f"{sys.executable} {SCRIPTS}/stand_in_judge.py --references {REPOSITORY}/resources/demo/references.jsonl"


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    """Sockets of this test alone; pytest's own folders have paths too long for them."""
    place = Path(f"/tmp/shared-{os.getpid()}-{time.monotonic_ns() % 10**6}")
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)  # asked anew
    yield place
    subprocess.run(["rm", "-r", str(place)], check=True)


class Counted:
    """A stand-in judge that notes the process of each of its starts."""

    def __init__(self, folder: Path, serves: str = STAND_IN):
        self._notes = folder / "starts"
        self.command = ["sh", "-c", f"echo $$ >> {self._notes}; exec {serves} --port {{port}}"]

    @property
    def starts(self) -> list[int]:
        return [int(line) for line in self._notes.read_text().split()] if self._notes.exists() else []

    def lease(self, folder: Path, linger: float = 0.5) -> SharedServer:
        return SharedServer(self.command, folder / "server.log", timeout=60, linger=linger, without=["SECRET"])


@pytest.fixture
def server(tmp_path) -> Counted:
    return Counted(tmp_path)


def ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def wait_until(happened: Callable[[], object], otherwise: str) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


def wait_for_the_end_of(process: int) -> None:
    wait_until(lambda: ended(process), "the server goes on")


def job_of_its_own(server: Counted, folder: Path) -> subprocess.Popen:
    """A process that prints the server's port once it has a lease, which it holds."""
    program = (
        f"import sys, time; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from serving.sharing import SharedServer\n"
        f"with SharedServer({server.command!r}, {str(folder / 'log')!r}, 60, 0.5, []) as lease:\n"
        "    print(lease.port, flush=True); time.sleep(600)\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def kill(job: subprocess.Popen) -> None:
    job.send_signal(signal.SIGKILL)
    job.communicate()


def test_judges_that_follow_each_other_start_one_server_and_leave_none_behind(tmp_path, server):
    judge = {"serve": server.command}
    for line in (REPOSITORY / "resources/demo/references.jsonl").read_text("utf-8").splitlines()[:3]:
        known, job = json.loads(line), Job(tmp_path)
        rows = [response(known["lang"], known["id"], known["prompt"], known["reference"])]
        status, last = job.run(judge, rows, key=None, linger=3)
        assert status == 0 and "1 calls now" in last, last
        job.journal.unlink()
    assert len(server.starts) == 1
    wait_for_the_end_of(server.starts[0])


def test_jobs_that_come_at_once_share_one_server(tmp_path, server):
    ports = []

    def job():
        with server.lease(tmp_path) as lease:
            ports.append(lease.port)
            time.sleep(0.5)

    jobs = [threading.Thread(target=job) for _ in range(8)]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join()
    assert len(ports) == 8 and len(set(ports)) == 1
    assert len(server.starts) == 1
    wait_for_the_end_of(server.starts[0])


def test_the_lease_of_a_job_that_is_killed_ends_with_it(tmp_path, server):
    job = job_of_its_own(server, tmp_path)
    assert int(job.stdout.readline()) > 0
    kill(job)
    wait_for_the_end_of(server.starts[0])


def test_a_server_is_not_started_to_the_end_for_jobs_that_are_killed(tmp_path):
    slow = Counted(tmp_path, serves="sleep 600;")
    job = job_of_its_own(slow, tmp_path)
    wait_until(lambda: slow.starts, "the server does not start")
    kill(job)
    wait_for_the_end_of(slow.starts[0])


def test_a_server_that_waits_for_another_is_not_started_for_jobs_that_are_killed(tmp_path, server):
    (tmp_path / "other").mkdir()
    other = Counted(tmp_path / "other")
    with server.lease(tmp_path):
        job = job_of_its_own(other, tmp_path / "other")
        wait_until(meeting_place(other.command).exists, "nobody keeps the other server")
        kill(job)
        wait_until(lambda: not meeting_place(other.command).exists(), "the other server is still to start")
        assert not other.starts


def test_a_server_that_does_not_start_is_told_to_every_job_with_the_end_of_its_log(tmp_path):
    broken = Counted(tmp_path, serves="echo out of memory; false;")
    for _ in range(2):
        with pytest.raises(InputError, match=r"the server ended with status \d+; its log .* ends: out of memory"):
            broken.lease(tmp_path).__enter__()


def test_a_command_that_is_not_installed_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot start the server 'no-such-server': No such file or directory"):
        SharedServer("no-such-server {port}", tmp_path / "server.log", timeout=60, linger=0.5, without=[]).__enter__()


def test_a_log_that_cannot_be_written_is_told(tmp_path, server):
    (tmp_path / "server.log").mkdir()
    with pytest.raises(InputError, match=r"Is a directory: '.*/server.log'"):
        server.lease(tmp_path).__enter__()


def test_a_server_that_dies_at_work_is_told_and_the_next_job_has_a_new_one(tmp_path, server):
    with server.lease(tmp_path, linger=30) as lease:
        lease.check_running()
        os.kill(server.starts[0], signal.SIGKILL)
        wait_for_the_end_of(server.starts[0])
        time.sleep(2)  # until its keeper has noticed
        with pytest.raises(InputError, match="the server ended with status -9"):
            lease.check_running()
    with server.lease(tmp_path) as lease:
        assert lease.port
    assert len(server.starts) == 2
    wait_for_the_end_of(server.starts[1])


def test_another_server_starts_when_the_first_has_ended(tmp_path, server):
    (tmp_path / "other").mkdir()
    other = Counted(tmp_path / "other")
    with server.lease(tmp_path, linger=0.1):
        assert server.starts and not other.starts
    with other.lease(tmp_path / "other"):
        assert ended(server.starts[0])


def test_the_server_and_its_keeper_do_not_see_what_is_hidden_from_them(tmp_path, server, monkeypatch):
    monkeypatch.setenv("SECRET", "sk-hidden")
    monkeypatch.setenv("OPEN", "seen")
    with server.lease(tmp_path):
        own = Path(f"/proc/{server.starts[0]}")
        keeper = Path("/proc") / own.joinpath("stat").read_text().rpartition(")")[2].split()[1]
        for process in (own, keeper):
            environment = process.joinpath("environ").read_bytes()
            assert b"OPEN=seen" in environment and b"sk-hidden" not in environment


def test_two_jobs_of_a_cluster_on_one_machine_share_nothing(server, monkeypatch):
    """Slurm would end the server of one with that job."""
    places = set()
    for job, gpus in (("1", "0"), ("2", "0"), ("2", "1")):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        places.add(meeting_place(server.command).parent)
    assert len(places) == 3


def test_its_key_is_in_no_file_and_no_command(tmp_path, server, own_place):
    with server.lease(tmp_path) as lease:
        files = [path for path in [*own_place.rglob("*"), *tmp_path.rglob("*")] if path.is_file()]
        assert files and not any(lease.key.encode() in path.read_bytes() for path in files)
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        assert not any(lease.key.encode() in command for command in commands)
        folder = meeting_place(server.command).parent
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_enter_is_refused(tmp_path, server):
    meeting_place(server.command).parent.chmod(0o755)
    with pytest.raises(InputError, match="others can enter it, and a server's key is told there; remove the folder"):
        server.lease(tmp_path).__enter__()


def test_a_path_too_long_for_a_socket_is_told(tmp_path, server, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(InputError, match="too long a path for a socket; set TMPDIR to a shorter one"):
        server.lease(tmp_path).__enter__()
