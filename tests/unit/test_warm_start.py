"""Programs in forks of a process that has imported torch: as by themselves, but without the seconds of the imports."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tiny
from models.warm_start import SWITCH
from trainings import Training, make_house, weights

PROGRAM = """
import os, signal, sys, time
sys.path.insert(0, {scripts!r})
from models.warm_start import hand_over

hand_over("HIDDEN")
print(os.getpid(), "torch" in sys.modules, os.environ.get("HIDDEN"), os.environ["SEEN"], os.getcwd(), sys.argv[1:])
print("to standard error", file=sys.stderr)
{then}
"""


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """Sockets of these tests alone; pytest's own folders have paths too long for them."""
    folder = Path(f"/tmp/warm-{os.getpid()}")
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setenv(SWITCH, "warm")
        yield folder
    subprocess.run(["pkill", "--full", f"keep_warm.py --socket {folder}"], check=False)
    subprocess.run(["rm", "-r", str(folder)], check=True)


@pytest.fixture
def start(tmp_path):
    """Start a program that does something after it was handed over, and return it with the words it has printed."""

    def start(then: str = "", **environment: str) -> tuple[subprocess.Popen, list[str]]:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(scripts=str(tiny.SCRIPTS), then=then))
        process = subprocess.Popen(
            [sys.executable, program, "an", "argument"],
            env=os.environ | {"SEEN": "seen", "HIDDEN": "not hidden"} | environment,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return process, process.stdout.readline().split()

    return start


def wait_for_the_end_of(process: int) -> None:
    end = time.monotonic() + 30
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.05)


def test_a_program_finds_torch_imported_and_everything_else_as_its_caller_has_it(start, tmp_path):
    process, words = start()
    assert words == [words[0], "True", "None", "seen", str(tmp_path), "['an',", "'argument']"]
    assert int(words[0]) != process.pid
    assert process.communicate()[1] == "to standard error\n"
    assert process.returncode == 0


def test_it_runs_by_itself_if_nothing_else_is_asked(start, place):
    process, words = start(**{SWITCH: "cold"})
    assert (int(words[0]), words[1]) == (process.pid, "False")
    process.communicate()


@pytest.mark.parametrize(
    ("then", "status", "last"),
    [("sys.exit(75)", 75, ""), ("sys.exit('error: a fault')", 1, "error: a fault"), ("1 / 0", 1, "ZeroDivisionError")],
)
def test_it_ends_as_it_would_by_itself(start, then, status, last):
    process, _ = start(then)
    error = process.communicate()[1]
    assert process.returncode == status
    assert error.splitlines()[-1].startswith(last)


def test_a_signal_reaches_it(start):
    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))"
    process, _ = start(f"{handler}; print('ready', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75


def test_a_signal_that_ends_it_ends_its_caller(start):
    process, words = start("sys.stdout.flush(); time.sleep(60)")
    os.kill(int(words[0]), signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL


def test_it_is_killed_with_its_caller(start):
    process, words = start("sys.stdout.flush(); time.sleep(60)")
    process.kill()
    wait_for_the_end_of(int(words[0]))


def test_the_end_of_the_keeper_is_one_line(start):
    process, words = start("sys.stdout.flush(); time.sleep(60)")
    keeper = int(Path(f"/proc/{words[0]}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    assert process.wait(30) == 1
    os.kill(int(words[0]), signal.SIGKILL)  # it has the same standard error
    assert process.stderr.read().splitlines()[-1] == (
        "error: compute.start: warm: keep_warm.py, in which this program ran, has ended; run again"
    )


def test_a_keeper_that_nobody_asks_ends(place):
    socket = place / "unused"
    command = [sys.executable, tiny.SCRIPTS / "keep_warm.py", "--socket", socket, "--linger", "0.1"]
    subprocess.run(command, check=True, timeout=120)
    assert not socket.exists()


@pytest.mark.parametrize(("method", "ranks"), [("lora", 1), ("full", 2)])
def test_a_training_has_the_same_bytes(tmp_path, method, ranks):
    house = make_house(tmp_path)
    for start in ("cold", "warm"):
        command = Training(house, tmp_path / start, method).command(ranks)
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {SWITCH: start})
    assert weights(tmp_path / "cold") == weights(tmp_path / "warm")
