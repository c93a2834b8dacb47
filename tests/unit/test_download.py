"""A download is checked against its hash and appears whole; what cannot be had is one line with the remedy."""

import gzip
import hashlib
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import download
from basics import downloading
from basics.command_line import command_line
from basics.errors import InputError
from loopback import Handler, nowhere, serving

SCRIPTS = Path(download.__file__).parent
CONTENT = b"pinned text\n"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture
def served(server):
    """A folder on a loopback server: (folder, address)."""
    return server.folder, server.address


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


@pytest.mark.parametrize("damage", [lambda packed: packed[:-1], lambda packed: packed[:15], lambda _: b"not packed"])
def test_a_packed_file_that_does_not_unpack_is_named(served, tmp_path, monkeypatch, damage):
    folder, address = served
    (folder / "model.bin.gz").write_bytes(damage(gzip.compress(CONTENT * 99)))
    with pytest.raises(InputError, match=r"model\.bin\.gz: cannot unpack it .* `path` of this source"):
        run(monkeypatch, tmp_path / "out" / "model.bin", "--url", f"{address}/model.bin.gz")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (404, "404 Not Found"),
        ("short", "the connection broke off after 6 of 12 bytes"),
        ("broken", "the connection broke off after 6 bytes"),
        ("reset", "Connection reset by peer"),
    ],
)
def test_a_download_cut_short_is_named_and_leaves_nothing(server, tmp_path, monkeypatch, fault, named):
    (server.folder / "data.txt").write_bytes(CONTENT)
    server.faults["data.txt"] = fault
    with pytest.raises(InputError) as raised:
        run(monkeypatch, tmp_path / "out" / "data.txt", "--url", f"{server.address}/data.txt")
    assert f"{server.address}/data.txt" in str(raised.value) and named in str(raised.value)
    assert "`path` of this source" in str(raised.value)
    assert not list((tmp_path / "out").iterdir())


def test_a_server_that_sends_in_drips_is_given_up(server, tmp_path, monkeypatch):
    """Each of its reads ends soon; a real one would be waited for a minute for every 64 KiB."""
    monkeypatch.setattr(downloading, "TIMEOUT", 0.5)
    (server.folder / "data.txt").write_bytes(CONTENT * 1_000)
    server.faults["data.txt"] = "drip"
    with pytest.raises(InputError, match=r"broke off after \d+ of 12000 bytes \(.*\); run again"):
        run(monkeypatch, tmp_path / "out.txt", "--url", f"{server.address}/data.txt")
    assert not (tmp_path / "out.txt").exists()


def test_a_slow_server_has_its_time_for_every_step_of_a_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", 0.8)
    monkeypatch.setattr(downloading, "STEP", 2_000)
    (server.folder / "data.txt").write_bytes(CONTENT * 1_000)
    server.faults["data.txt"] = "steady"
    run(monkeypatch, tmp_path / "out.txt", "--url", f"{server.address}/data.txt")
    assert (tmp_path / "out.txt").read_bytes() == CONTENT * 1_000


def test_a_packed_response_is_kept_as_it_was_published(served, tmp_path, monkeypatch):
    folder, _ = served
    (folder / "data.gz").write_bytes(gzip.compress(CONTENT))
    with serving(folder, Packed) as server:
        run(monkeypatch, tmp_path / "data.gz", "--url", f"{server.address}/data.gz")
    assert (tmp_path / "data.gz").read_bytes() == (folder / "data.gz").read_bytes()


def test_a_place_that_cannot_be_written_to_is_named(served, tmp_path, monkeypatch):
    folder, address = served
    (folder / "data.txt").write_bytes(CONTENT)
    with pytest.raises(SystemExit, match=r"^error: /dev/null: "):
        command_line(lambda: run(monkeypatch, Path("/dev/null/data.txt"), "--url", f"{address}/data.txt"))


def test_an_address_that_is_none_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot download nothing"):
        run(monkeypatch, tmp_path / "out.txt", "--url", "nothing")


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/hostname"])
def test_what_is_not_https_is_not_downloaded(url, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=f"cannot download {url} .not https"):
        run(monkeypatch, tmp_path / "out.txt", "--url", url)
    assert not (tmp_path / "out.txt").exists()


class Packed(Handler):
    """Says that what it sends is packed, though nobody asked for that."""

    def end_headers(self):
        self.send_header("Content-Encoding", "gzip")
        super().end_headers()


class SentOn(Handler):
    """Sends on to the address that follows the ?."""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.path.partition("?")[2])
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_from_https_nobody_is_sent_on_to_http(served, tmp_path, monkeypatch):
    folder, address = served
    (folder / "data.txt").write_bytes(CONTENT)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(folder, SentOn) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_port}/x?{address}/data.txt"
        with pytest.raises(InputError, match="which is not https"):
            run(monkeypatch, tmp_path / "out.txt", "--url", url)
    assert not (tmp_path / "out.txt").exists()


def test_a_redirect_to_what_is_not_https_is_not_followed(served, tmp_path, monkeypatch):
    with serving(served[0], SentOn) as server, pytest.raises(InputError, match="not https"):
        run(monkeypatch, tmp_path / "out.txt", "--url", f"{server.address}/x?http://far.example/y")


def test_redirects_without_an_end_are_given_up(served, tmp_path, monkeypatch):
    with serving(served[0], SentOn) as server, pytest.raises(InputError, match=r"cannot download .*redirects"):
        run(monkeypatch, tmp_path / "out.txt", "--url", f"{server.address}/x?/x?/x")


def test_no_network_is_one_line_that_says_what_to_do(tmp_path):
    for script, arguments in {
        "download.py": ["--url", f"{nowhere()}/seed.json"],
        "fetch_model.py": ["model", "--repo", "bigscience/bloom-560m", "--revision", "main"],
    }.items():
        result = subprocess.run(
            [sys.executable, SCRIPTS / script, *arguments, "--output", tmp_path / "out"],
            capture_output=True,
            text=True,
            env={"HF_ENDPOINT": nowhere(), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        assert result.returncode == 1
        assert result.stderr.startswith("error: cannot ")
        assert "`path`" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert not (tmp_path / "out").exists()
