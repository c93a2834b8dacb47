"""A translation model's folder holds checked files or does not come to be."""

import gzip
import hashlib
import io
import json
import socket
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from files import read_json, sha256, write_json

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "workflow" / "scripts" / "translation_model.py"
PACKED = REPOSITORY / "resources" / "demo" / "translation"
REGISTRY = REPOSITORY / "resources" / "translation-models.json"

SHARED = {"model.bin", "lex.bin", "vocab.spm", "config.yml", "manifest.json"}
SEPARATE = {"model.bin", "lex.bin", "srcvocab.spm", "trgvocab.spm", "config.yml", "manifest.json"}


def make(output: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *arguments, "--output", output]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def complaint(output: Path, *arguments: object) -> str:
    """The one line of a run that must fail and leave no folder."""
    ended = make(output, *arguments)
    assert ended.returncode == 1 and not output.exists()
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in ended.stderr
    return errors[0]


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return path


# Packed models


@pytest.mark.parametrize(("language", "names"), [("es", SHARED), ("zh", SEPARATE)])
def test_a_packed_model_is_unpacked_with_its_config_and_manifest(tmp_path, language, names):
    assert make(tmp_path / "model", "--packed", PACKED / f"en{language}.tar.gz").returncode == 0
    files = {path.name: sha256(path) for path in (tmp_path / "model").iterdir()}
    assert set(files) == names
    assert read_json(tmp_path / "model" / "manifest.json") == {
        name: digest for name, digest in files.items() if name != "manifest.json"
    }
    config = (tmp_path / "model" / "config.yml").read_text()
    assert all(f"- {name}\n" in config for name in names - {"config.yml", "manifest.json"})


def test_the_demo_models_are_those_of_the_checksums_and_small():
    checksums = read_json(PACKED / "checksums.json")
    assert checksums == {path.name: sha256(path) for path in PACKED.glob("*.tar.gz")}
    assert {"enes.tar.gz", "enfr.tar.gz", "enbg.tar.gz", "enru.tar.gz", "enzh.tar.gz"} <= set(checksums)
    assert all((PACKED / name).stat().st_size <= 200_000 for name in checksums)


def test_a_packed_model_with_another_hash_is_refused_with_both(tmp_path):
    packed = PACKED / "enes.tar.gz"
    assert make(tmp_path / "model", "--packed", packed, "--sha256", sha256(packed)).returncode == 0
    error = complaint(tmp_path / "other", "--packed", packed, "--sha256", "0" * 64)
    assert str(packed) in error and sha256(packed) in error and "0" * 64 in error


@pytest.mark.parametrize("length", [0, 10, 50_000, -1])
def test_a_truncated_packed_model_is_refused(tmp_path, length):
    path = tmp_path / "enes.tar.gz"
    path.write_bytes((PACKED / "enes.tar.gz").read_bytes()[:length])
    assert str(path) in complaint(tmp_path / "model", "--packed", path)


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "model.bin/../../escaped", "notes.txt"])
def test_nothing_but_a_model_comes_out_of_an_archive(tmp_path, name):
    path = archive(tmp_path / "packed.tar.gz", {"model.bin": b"m", name: b"x"})
    error = complaint(tmp_path / "folder" / "model", "--packed", path)
    assert str(path) in error and name in error
    assert not list(tmp_path.rglob("escaped"))


def test_a_link_in_an_archive_is_refused(tmp_path):
    path = tmp_path / "packed.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        entry = tarfile.TarInfo("model.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
        packed.addfile(entry)
    assert "model.bin" in complaint(tmp_path / "model", "--packed", path)


def test_half_a_model_is_refused(tmp_path):
    path = archive(tmp_path / "packed.tar.gz", {"model.bin": b"m", "srcvocab.spm": b"s", "lex.bin": b"l"})
    assert str(path) in complaint(tmp_path / "model", "--packed", path)


def test_a_packed_model_that_is_not_there_is_named(tmp_path):
    assert str(tmp_path / "none.tar.gz") in complaint(tmp_path / "model", "--packed", tmp_path / "none.tar.gz")


# Published models: a server of our own with the layout of Mozilla's

KINDS = {"model": "model", "lex": "lexicalShortlist", "vocab": "vocab"}


class Publisher:
    """A folder of gzipped model files, an index over them, a registry of them, and a server."""

    def __init__(self, folder: Path, address: str):
        self.folder, self.address = folder, address
        (folder / "models" / "en-es").mkdir(parents=True)
        contents = {"model": b"a model" * 999, "lex": b"a shortlist" * 99, "vocab": b"a vocabulary" * 99}
        names = {
            "model": "model.enes.intgemm.alphas.bin.gz",
            "lex": "lex.50.50.enes.s2t.bin.gz",
            "vocab": "vocab.enes.spm.gz",
        }
        self.paths = {kind: folder / "models" / "en-es" / name for kind, name in names.items()}
        for kind, path in self.paths.items():
            path.write_bytes(gzip.compress(contents[kind]))
        self.contents = contents
        digest = hashlib.sha256(contents["model"]).hexdigest()
        files = {KINDS[kind]: {"path": f"models/en-es/{name}"} for kind, name in names.items()}
        files["model"]["uncompressedHash"] = digest
        older = {"model": {"path": "models/en-es/old/" + names["model"], "uncompressedHash": "0" * 64}}
        self.index = {
            "baseUrl": address,
            "models": {"en-es": [{"architecture": "tiny", "files": older}, {"architecture": "tiny", "files": files}]},
        }
        write_json(folder / "models.json", self.index)
        entry = {"language": "es", "architecture": "tiny", "version": "1.0", "model_sha256": digest}
        entry["files"] = [
            {"name": path.name, "size": path.stat().st_size, "sha256": sha256(path)} for path in self.paths.values()
        ]
        self.entry = entry
        self.registry = folder / "registry.json"
        write_json(self.registry, {"index": f"{address}/models.json", "models": [entry]})

    def arguments(self, language: str = "es", architecture: str = "tiny") -> list[object]:
        return ["--registry", self.registry, "--language", language, "--architecture", architecture]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()  # looks for shutdown every 10 ms
    yield Publisher(folder, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_published_model_is_downloaded_checked_and_named_as_the_engine_wants(published, tmp_path):
    ended = make(tmp_path / "model", *published.arguments())
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (tmp_path / "model").iterdir()} == SHARED
    for name, kind in {"model.bin": "model", "lex.bin": "lex", "vocab.spm": "vocab"}.items():
        assert (tmp_path / "model" / name).read_bytes() == published.contents[kind]


def test_files_in_the_cache_need_no_network(published, nowhere, tmp_path):
    write_json(published.registry, {"index": nowhere, "models": [published.entry]})
    cache = tmp_path / "cache" / "tiny"
    cache.mkdir(parents=True)
    for path in published.paths.values():
        path.rename(cache / path.name)
    ended = make(tmp_path / "model", *published.arguments(), "--cache", tmp_path / "cache")
    assert ended.returncode == 0, ended.stderr


def test_without_a_network_the_line_says_where_a_file_may_be_put(published, nowhere, tmp_path):
    write_json(published.registry, {"index": nowhere, "models": [published.entry]})
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", tmp_path / "cache")
    name = published.paths["model"].name
    assert nowhere in error and f"put it at {tmp_path / 'cache' / 'tiny' / name}" in error


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-9] + b"different"])
def test_a_download_that_is_not_as_registered_is_refused_with_both_values(published, tmp_path, damage):
    path = published.paths["vocab"]
    path.write_bytes(damage(path.read_bytes()))
    file = published.entry["files"][-1]
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", tmp_path / "cache")
    if path.stat().st_size == file["size"]:
        assert sha256(path) in error and file["sha256"] in error
    else:
        assert f"{path.stat().st_size} bytes" in error and f"says {file['size']}" in error
    assert path.name in error and not (tmp_path / "cache" / "tiny" / path.name).exists()


def test_a_file_in_the_cache_with_another_hash_is_named(published, tmp_path):
    path = tmp_path / "cache" / "tiny" / published.paths["lex"].name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another")
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", tmp_path / "cache")
    assert str(path) in error and "7 bytes" in error


@pytest.mark.parametrize(
    ("language", "architecture", "named"),
    [
        ("xx", "tiny", "no model for the language 'xx'; there are bg, cs, de, es, fi, fr, ru, zh"),
        ("zh", "tiny", "no tiny model for zh; there are base, base-memory"),
        ("es", "base", "no base model for es; there are base-memory, tiny"),
    ],
)
def test_a_model_that_is_not_registered_is_named_with_those_that_are(tmp_path, language, architecture, named):
    arguments = ("--registry", REGISTRY, "--language", language, "--architecture", architecture)
    assert f"{REGISTRY}: {named}" in complaint(tmp_path / "model", *arguments)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda index: index.pop("models"), "not laid out as expected, KeyError 'models'"),
        (lambda index: index.pop("baseUrl"), "not laid out as expected, KeyError 'baseUrl'"),
        (lambda index: index["models"]["en-es"][1].pop("files"), "not laid out as expected, KeyError 'files'"),
        (lambda index: index["models"]["en-es"].pop(), "under en-es there is no"),
        (lambda index: index["models"].clear(), "under en-es there is no"),
        (lambda index: index["models"]["en-es"][1]["files"].pop("vocab"), "there is no vocab.enes.spm.gz"),
    ],
)
def test_an_index_that_is_laid_out_otherwise_is_named(published, tmp_path, change, named):
    change(published.index)
    write_json(published.folder / "models.json", published.index)
    error = complaint(tmp_path / "model", *published.arguments())
    assert f"{published.address}/models.json" in error and named in error


def test_an_index_that_is_not_json_is_named(published, tmp_path):
    (published.folder / "models.json").write_text("<html>")
    assert "models.json: not valid JSON" in complaint(tmp_path / "model", *published.arguments())


def test_the_registry_holds_whole_models_with_hashes():
    models = json.loads(REGISTRY.read_text())["models"]
    assert len({(model["language"], model["architecture"]) for model in models}) == len(models)
    languages = {model["language"] for model in models if model["architecture"] == "base-memory"}
    assert languages == {"bg", "cs", "de", "es", "fi", "fr", "ru", "zh"}
    for model in models:
        kinds = {file["name"].split(".")[0] for file in model["files"]}
        vocabularies = {"srcvocab", "trgvocab"} if model["language"] == "zh" else {"vocab"}
        assert kinds == {"model", "lex"} | vocabularies
        assert all(len(digest) == 64 for digest in [model["model_sha256"], *(f["sha256"] for f in model["files"])])
