"""A download is checked against its hash and appears whole; what cannot be had is one line with the remedy."""

import gzip
import hashlib
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import download
import pytest
from files import InputError

SCRIPTS = Path(download.__file__).parent
CONTENT = b"pinned text\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """A folder on a loopback server: (folder, address)."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def run(monkeypatch, output, *arguments):
    monkeypatch.setattr("sys.argv", ["download.py", *arguments, "--output", str(output)])
    download.main()


def test_a_file_with_the_right_hash_is_put_in_place(served, tmp_path, monkeypatch):
    folder, address = served
    (folder / "data.txt").write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    run(monkeypatch, tmp_path / "out.txt", "--url", f"{address}/data.txt", "--sha256", digest)
    assert (tmp_path / "out.txt").read_bytes() == CONTENT


def test_gits_own_hash_is_a_pin_too(served, tmp_path, monkeypatch):
    folder, address = served
    (folder / "data.txt").write_bytes(CONTENT)
    blob = hashlib.sha1(b"blob 12\0" + CONTENT).hexdigest()
    run(monkeypatch, tmp_path / "out.txt", "--url", f"{address}/data.txt", "--git-blob", blob)
    assert (tmp_path / "out.txt").exists()


def test_a_wrong_hash_stops_with_both_values_and_leaves_nothing(served, tmp_path, monkeypatch):
    folder, address = served
    (folder / "data.txt").write_bytes(CONTENT)
    with pytest.raises(InputError) as raised:
        run(monkeypatch, tmp_path / "out.txt", "--url", f"{address}/data.txt", "--sha256", "0" * 64)
    assert hashlib.sha256(CONTENT).hexdigest() in str(raised.value)
    assert "0" * 64 in str(raised.value)
    assert not (tmp_path / "out.txt").exists()


def test_a_packed_file_is_unpacked(served, tmp_path, monkeypatch):
    folder, address = served
    (folder / "model.bin.gz").write_bytes(gzip.compress(CONTENT))
    run(monkeypatch, tmp_path / "model.bin", "--url", f"{address}/model.bin.gz")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_no_network_is_one_line_that_says_what_to_do(tmp_path):
    for script, arguments in {
        "download.py": ["--url", "http://127.0.0.1:9/seed.json"],
        "fetch_model.py": ["model", "--repo", "bigscience/bloom-560m", "--revision", "main"],
    }.items():
        result = subprocess.run(
            [sys.executable, SCRIPTS / script, *arguments, "--output", tmp_path / "out"],
            capture_output=True,
            text=True,
            env={"HF_ENDPOINT": "http://127.0.0.1:9", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        assert result.returncode == 1
        assert result.stderr.startswith("error: cannot ")
        assert "`path`" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert not (tmp_path / "out").exists()
