"""A judge's weights are in the hub's cache before its server starts on a node without a network."""

import json
import subprocess
import sys

import pytest

import hub
import tiny
from loopback import serving

REPO = "tiny/judge"


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "hub" / REPO
    tiny.model(folder, "bloom", tiny.tokenizer(folder))
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    with serving(tmp_path / "hub", hub.HubHandler) as server:
        yield server


def test_the_weights_are_where_a_server_without_a_network_looks_for_them(server, tmp_path):
    record, revision = tmp_path / "record.json", hub.commit_of(REPO)
    options = ["--repo", REPO, "--revision", revision, "--output", record]
    done = hub.run(server, tmp_path / "home", "fetch_judge.py", *options)
    assert done.returncode == 0, done.stderr
    where = f"{REPO!r}, revision={revision!r}, local_files_only=True, allow_patterns='*.safetensors'"  # as vLLM does
    look = f"from huggingface_hub import snapshot_download; print(snapshot_download({where}))"
    offline = hub.environment(server, tmp_path / "home", HF_HUB_OFFLINE="1")
    found = subprocess.run([sys.executable, "-c", look], env=offline, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    folder = tmp_path / found.stdout.strip()
    assert json.loads(record.read_text()) == {"repo": REPO, "revision": revision, "folder": str(folder)}
    assert (folder / "model.safetensors").is_file() and not (folder / "pytorch_model.bin").exists()


def test_a_repository_that_is_not_there_is_one_line(server, tmp_path):
    options = ["--repo", "tiny/other", "--revision", "main", "--output", tmp_path / "record.json"]
    refused = hub.run(server, tmp_path / "home", "fetch_judge.py", *options)
    assert refused.returncode == 1 and "cannot fetch tiny/other at main" in refused.stderr.splitlines()[-1]
    assert not (tmp_path / "record.json").exists()
