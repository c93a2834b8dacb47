"""The preflight of a cluster: what is wrong with it is one line for each kind of job, whatever becomes of the job."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tiny
from basics.errors import InputError
from basics.reading import read_json
from full_disk import files_up_to
from judge_job import TEMPLATE
from planning import node
from planning.findings import failed_file
from planning.preflight import page_of, read_about
from planning.trials import fault_in
from trainings import LORA, SETTINGS, make_house

DECODING = {
    "beams": 2,
    "no_repeat_ngram": 6,
    "repetition_penalty": 1.0,
    "max_new_tokens": 8,
    "cut_at": "\n### ",
    "special_tokens": "drop",
    "batch": 8,
    "precision": "fp32",
}
FIRST_ALONE = """
import os, subprocess, sys
of_the_first = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
of_the_first |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29871", "LAUNCHER_PID": str(os.getpid())}
sys.exit(subprocess.run([sys.executable, *sys.argv[3:]], env=os.environ | of_the_first).returncode)
"""
ONE_OF_TWO_NODES = """
import subprocess, sys
alone = "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:29872 --rdzv-id preflight"
launcher = [sys.executable, {launcher!r}, "--ranks", "1", "--torchrun", alone]
sys.exit(subprocess.run([*launcher, *sys.argv[5:]]).returncode)
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return make_house(tmp_path_factory.mktemp("house"))


class Preflight:
    """The preflight of a training of the house's model, whose findings are in `folder`."""

    def __init__(self, house: Path, folder: Path, method: str = "lora", launcher: tuple[object, ...] = (), **settings):
        self.output = folder / "results/demo/preflight/train" / method / "bloom.json"
        wanted = SETTINGS | ({"lora": LORA} if method == "lora" else {}) | settings
        options = {"--settings": json.dumps(wanted), "--length": 64, "--memory": 2 * 2**30, "--output": self.output}
        options |= {"--respond": json.dumps(DECODING), "--template": tiny.ALPACA}
        modules = ["--adapter-modules", *(tiny.MODULES["bloom"] if method == "lora" else [])]
        training = {"--method": method, "--model": house / "bloom", "--tokenizer": house / "tokenizer"}
        self.options = [word for option in options.items() for word in option]
        self.command = [*launcher, tiny.SCRIPTS / "train.py", *(word for each in training.items() for word in each)]
        self.command += [*modules, "--template", house / "template.json"]

    def words(self, *options: object, accelerator: str = "cpu") -> list[str]:
        program = [sys.executable, tiny.SCRIPTS / "preflight_training.py"]
        return [str(w) for w in [*program, *self.options, *options, "--", *self.command, "--accelerator", accelerator]]

    def fault(self, *options: object, accelerator: str = "cpu", **process) -> str:
        """The line of a preflight that must fail, which its program prints, too."""
        done = subprocess.run(self.words(*options, accelerator=accelerator), capture_output=True, text=True, **process)
        assert done.returncode == 1 and not self.output.exists() and "Traceback" not in done.stderr, done.stderr
        line = read_json(failed_file(self.output))["line"]
        assert f"error: {line}" in done.stderr.splitlines() and "\n" not in line
        assert not list(self.output.parent.glob("*.trial"))
        return line


def about(folder: Path, **kinds: str) -> dict:
    """What preflight.py is told of these kinds."""
    assumed = {"device": "A100", "flops": None, "mfu": 0.4, "start_up": 120, "answers_per_second": 1}
    known = {"results": f"{folder}/results/demo", "kinds": kinds, "downloads": [], "assumed": assumed}
    return read_about(json.dumps(known | {"needed": {"bytes": 0}, "parameters": {"bloom": 1e4}}))


def test_a_training_goes_through_all_steps_and_its_speed_is_measured(house, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKERS", "wandb")  # which is not installed, and is to get no losses of trials
    tried = Preflight(house, tmp_path, micro_batch_tokens="auto")
    done = subprocess.run(tried.words(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = read_json(tried.output)
    assert {*found["seconds"]} == {"node", "ranks", "micro-batch", "training", "signal", "resume", "answers"}
    measured = found["measured"]
    assert measured["micro_batch_tokens"] % 64 == 0 and measured["micro_batch_tokens"] > 64
    assert measured["tokens_per_second"] > 100 and measured["answers_per_second"] > 0
    assert (measured["ranks"], measured["device"], measured["all_reduce"]) == (1, "cpu", None)
    assert "stopped by a signal after step" in done.stderr and "going on from" in done.stderr
    text, faults = page_of(about(tmp_path, **{"train/lora/bloom": "1 CPU rank"}))
    assert not faults and "1 of 1 kinds of job of demo are ok" in text and " tokens/s" in text


def test_answers_of_a_released_model_are_tried_alone(house, tmp_path):
    output = tmp_path / "results/demo/preflight/respond/full/bloom.json"
    options = {"--method": "full", "--base": house / "bloom", "--model": house / "bloom", "--template": tiny.ALPACA}
    options |= {
        "--tokenizer": house / "tokenizer",
        "--respond": json.dumps(DECODING | {"batch": 3}),
        "--output": output,
    }
    command = [
        sys.executable,
        tiny.SCRIPTS / "preflight_answers.py",
        *(word for each in options.items() for word in each),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {*read_json(output)["seconds"]} == {"node", "ranks", "answers"}
    text, faults = page_of(about(tmp_path, **{"respond/full/bloom": "1 GPU"}))
    assert not faults and " answers/s" in text and "16 responses, 16 of them new" in done.stderr


# ---- planted faults


def test_without_the_gpu_that_is_asked_for(house, tmp_path):
    line = Preflight(house, tmp_path).fault(accelerator="gpu")
    assert line.startswith(
        "ranks: a GPU is asked for (--accelerator gpu; compute.accelerator in the config), but torch"
    )
    text, [fault] = page_of(about(tmp_path, **{"train/lora/bloom": "1 GPU"}))
    assert fault == f"train/lora/bloom: {line}" and "0 of 1 kinds of job of demo are ok" in text
    assert text.count("a GPU is asked for") == 1, "one line"


def test_a_rank_that_is_not_there(house, tmp_path):
    launcher = tmp_path / "launch.py"
    launcher.write_text(FIRST_ALONE)
    tried = Preflight(house, tmp_path, launcher=(launcher, "--ranks", "2"))
    line = tried.fault("--meet-within", 15)
    assert (
        line.startswith("ranks: 1 of 2 ranks started (on ")
        and "without rank 1: see that nodes reach each other" in line
    )
    assert "NCCL_SOCKET_IFNAME" in line


def test_a_node_that_is_not_there(house, tmp_path):
    launcher = tmp_path / "launch.py"
    launcher.write_text(ONE_OF_TWO_NODES.format(launcher=str(tiny.SCRIPTS / "launch.py")))
    tried = Preflight(house, tmp_path, launcher=(launcher, "--ranks", "1", "--nodes", "2"))
    line = tried.fault("--meet-within", 15)
    assert line.startswith(
        "ranks: none of 2 ranks started, so their nodes have not met: see that nodes reach each other"
    )
    assert "not done after 15 s" in line


def test_a_disk_that_takes_no_more(house, tmp_path):
    """No file may have more than 100 kB: findings have room, weights do not."""
    line = Preflight(house, tmp_path, method="full").fault(preexec_fn=files_up_to(100_000))
    assert line.startswith("training: ") and "File too large; make room and run again" in line


@pytest.fixture
def small_disk(tmp_path):
    """A disk in memory, mounted with the given options, for the results."""
    folder = tmp_path / "results"

    def mount(options: str) -> None:
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("cannot mount a small disk")

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True)


@pytest.mark.parametrize(
    ("options", "fault"),
    [("size=50M", "MB are free; make room"), ("size=2G,nr_inodes=500", " more files are allowed; remove some")],
)
def test_a_quota_that_is_nearly_used_up(house, tmp_path, small_disk, options, fault):
    small_disk(options)
    line = Preflight(house, tmp_path).fault()
    assert line.startswith("node: ") and fault in line


def test_a_folder_for_temporary_files_that_the_node_does_not_have(house, tmp_path):
    line = Preflight(house, tmp_path).fault(env=os.environ | {"TMPDIR": "/scratch/of/another"})
    assert line.startswith("node: TMPDIR: /scratch/of/another on ") and "no such file; set it to a folder" in line


def test_a_job_that_is_killed_leaves_what_it_was_doing(house, tmp_path):
    tried = Preflight(house, tmp_path)
    process = subprocess.Popen(tried.words(), stderr=subprocess.DEVNULL)
    failed = failed_file(tried.output)
    while not failed.exists() or read_json(failed)["step"] != "ranks":
        time.sleep(0.05)
    process.kill()
    process.wait()
    _, [fault] = page_of(about(tmp_path, **{"train/lora/bloom": "1 GPU"}))
    assert fault.startswith("train/lora/bloom: ranks: ended without a word, as if killed: for its memory or time?")
    tried.output.with_name("bloom.trial").rename(tmp_path / "left")  # of the job that was killed


def test_a_job_whose_cluster_ends_it_says_so(house, tmp_path):
    tried = Preflight(house, tmp_path)
    process = subprocess.Popen(tried.words(), stderr=subprocess.PIPE, text=True)
    while not failed_file(tried.output).exists() or read_json(failed_file(tried.output))["step"] != "ranks":
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "error: ranks: was told to end (SIGTERM); run the preflight again"


@pytest.mark.parametrize(
    ("serve", "fault"),
    [
        ("import sys; print('no memory'); sys.exit(3)", "start: the server ended with status 3; its log"),
        (
            "import http.server as h, os\n"
            "class S(h.BaseHTTPRequestHandler):\n"
            "  def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'{\"data\": []}')\n"
            "  def do_POST(self): os._exit(4)\n"
            "h.HTTPServer(('127.0.0.1', {port}), S).serve_forever()",
            "call: the server ended with status 4; its log",
        ),
    ],
    ids=["at its start", "at its first call"],
)
def test_a_judge_that_dies(tmp_path, serve, fault):
    output = tmp_path / "results/demo/preflight/judge/mine.json"
    judge = {"name": "mine", "model": "m", "serve": ["python", "-c", serve], "patience": 2}
    command = [
        sys.executable,
        tiny.SCRIPTS / "preflight_judge.py",
        "--judge",
        json.dumps(judge),
        "--template",
        TEMPLATE,
    ]
    command += ["--journals", tmp_path / "journals", "--output", output]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    _, [told] = page_of(about(tmp_path, **{"judge/mine": "1 core"}))
    assert done.returncode == 1 and told.startswith(f"judge/mine: {fault}"), done.stderr


def test_a_kind_that_has_not_begun_is_on_the_page(tmp_path):
    (tmp_path / "results/demo").mkdir(parents=True)
    _, [fault] = page_of(about(tmp_path, identify="1 core"))
    assert fault.startswith("identify: has not been tried: a job before it has failed, or it was not submitted")


# ---- what programs end with, and where


@pytest.mark.parametrize(
    ("said", "status", "line"),
    [
        ("12 steps\nerror: no room; make room\nTraceback\n", 1, "no room; make room"),
        ("Traceback (most recent call last):\nKeyError: 'x'\n", 1, "status 1; KeyError: 'x'"),
        ("", -9, "was killed, perhaps for its memory: raise `memory` of its row in compute, or see the job's log"),
        ("", 137, "was killed, perhaps for its memory: raise `memory` of its row in compute, or see the job's log"),
        ("half\n", -11, "ended by SIGSEGV; half"),
        ("", 75, "status 75; it said nothing"),
    ],
)
def test_the_end_of_a_program_is_one_line(said, status, line):
    assert str(fault_in(said, status)) == line


def test_the_processor_is_that_of_this_machine(tmp_path):
    known = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    assert node.processor(Path("/proc/cpuinfo")) in known[0]
    assert node.processor(tmp_path / "none") == ""


def test_a_host_that_nobody_reaches_is_told_apart_from_one_that_refuses(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert node.reached(["127.0.0.1:9"]) == {"127.0.0.1:9": False}
    assert node.reached([]) == {}


def test_downloads_that_a_node_would_need_and_cannot_reach(house, tmp_path):
    tried = Preflight(house, tmp_path)
    tried.fault("--hosts", "127.0.0.1:9", accelerator="gpu")
    told = about(tmp_path, **{"train/lora/bloom": "1 GPU"}) | {
        "downloads": [str(tmp_path / "results/demo/openlid.bin")]
    }
    text, (_, fault) = page_of(told)
    assert fault.endswith("does not reach 127.0.0.1:9; make all_downloads where there is a network")
    assert "not 127.0.0.1:9" in text
    (tmp_path / "results/demo/openlid.bin").touch()
    assert len(page_of(told)[1]) == 1, "all is there"


def test_what_preflight_py_must_be_told():
    with pytest.raises(InputError, match="--about: 'kinds' is missing"):
        read_about('{"results": "results/demo"}')
