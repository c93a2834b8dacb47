"""A translation model's folder contains checked files, or is not created."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from basics.hashing import sha256
from basics.reading import read_json
from basics.writing import write_json
from full_disk import files_up_to
from loopback import Loopback, nowhere, serving

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "workflow" / "scripts" / "translation_model.py"
PACKED = REPOSITORY / "resources" / "demo" / "translation"
REGISTRY = REPOSITORY / "resources" / "translation-models.json"

SHARED = {"model.bin", "lex.bin", "vocab.spm", "config.yml", "manifest.json"}
SEPARATE = {"model.bin", "lex.bin", "srcvocab.spm", "trgvocab.spm", "config.yml", "manifest.json"}


def command(output: Path, *arguments: object) -> list[str]:
    return list(map(str, [sys.executable, SCRIPT, *arguments, "--output", output]))


def make(output: Path, *arguments: object, largest_file: int = -1) -> subprocess.CompletedProcess:
    """Run the script on a disk that takes no file of more than `largest_file` bytes."""
    limit = files_up_to(largest_file)
    return subprocess.run(command(output, *arguments), capture_output=True, text=True, preexec_fn=limit)


def complaint(output: Path, *arguments: object, **limits: int) -> str:
    """The one line of a run that must fail and leave nothing half done, whether visible or hidden."""
    ended = make(output, *arguments, **limits)
    assert ended.returncode == 1, ended.stderr
    assert not output.exists() and not list(output.parent.rglob(".*"))
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


def test_the_demo_models_match_their_checksums_and_are_small():
    checksums = read_json(PACKED / "checksums.json")
    assert checksums == {path.name: sha256(path) for path in PACKED.glob("*.tar.gz")}
    assert {"enes.tar.gz", "enfr.tar.gz", "enbg.tar.gz", "enru.tar.gz", "enzh.tar.gz"} <= set(checksums)
    assert all((PACKED / name).stat().st_size <= 200_000 for name in checksums)


def test_a_packed_model_with_another_hash_is_refused_with_both(tmp_path):
    packed, checksums = PACKED / "enes.tar.gz", tmp_path / "checksums.json"
    assert make(tmp_path / "model", "--packed", packed, "--checksums", PACKED / "checksums.json").returncode == 0
    write_json(checksums, {"enes.tar.gz": "0" * 64})
    error = complaint(tmp_path / "other", "--packed", packed, "--checksums", checksums)
    assert str(packed) in error and sha256(packed) in error and "0" * 64 in error and str(checksums) in error


def test_a_packed_model_without_a_checksum_is_named(tmp_path):
    error = complaint(
        tmp_path / "model", "--packed", PACKED / "enes.tar.gz", "--checksums", write(tmp_path / "c.json", b"{}")
    )
    assert str(tmp_path / "c.json") in error and "enes.tar.gz" in error


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("length", [0, 10, 50_000, -1])
def test_a_truncated_packed_model_is_refused(tmp_path, length):
    path = write(tmp_path / "enes.tar.gz", (PACKED / "enes.tar.gz").read_bytes()[:length])
    assert str(path) in complaint(tmp_path / "model", "--packed", path)


@pytest.mark.parametrize("length", [0, 512, 1000, 100_000, 150_001])
def test_an_archive_truncated_before_it_was_compressed_is_refused(tmp_path, length):
    tar = gzip.decompress((PACKED / "enes.tar.gz").read_bytes())
    path = write(tmp_path / "enes.tar.gz", gzip.compress(tar[:length]))
    assert str(path) in complaint(tmp_path / "model", "--packed", path)


@pytest.mark.parametrize("place", [0, 15, 50_000, -6])
def test_a_corrupt_packed_model_is_refused(tmp_path, place):
    content = bytearray((PACKED / "enes.tar.gz").read_bytes())
    content[place] ^= 0xFF
    path = write(tmp_path / "enes.tar.gz", bytes(content))
    assert str(path) in complaint(tmp_path / "model", "--packed", path)


def test_a_disk_too_full_for_the_model_is_named(tmp_path):
    error = complaint(tmp_path / "model", "--packed", PACKED / "enes.tar.gz", largest_file=20_000)
    assert str(tmp_path / "model") in error and "File too large" in error


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


def test_a_missing_packed_model_is_named(tmp_path):
    assert str(tmp_path / "none.tar.gz") in complaint(tmp_path / "model", "--packed", tmp_path / "none.tar.gz")


# Published models: a server of our own with the layout of Mozilla's

KINDS = {"model": "model", "lex": "lexicalShortlist", "vocab": "vocab"}
CONTENTS = {"model": b"a model" * 999, "lex": b"a shortlist" * 99, "vocab": b"a vocabulary" * 99}
DIGEST = hashlib.sha256(CONTENTS["model"]).hexdigest()


class Publisher:
    """A folder of gzipped model files, an index over them, a registry of them, and a server."""

    def __init__(self, server: Loopback):
        self.server, self.folder, self.address = server, server.folder, server.address
        folder, address = self.folder, self.address
        (folder / "models" / "en-es").mkdir(parents=True)
        names = {
            "model": "model.enes.intgemm.alphas.bin.gz",
            "lex": "lex.50.50.enes.s2t.bin.gz",
            "vocab": "vocab.enes.spm.gz",
        }
        self.paths = {kind: folder / "models" / "en-es" / name for kind, name in names.items()}
        for kind, path in self.paths.items():
            path.write_bytes(gzip.compress(CONTENTS[kind]))
        files = {KINDS[kind]: {"path": f"models/en-es/{name}"} for kind, name in names.items()}
        files["model"]["uncompressedHash"] = DIGEST
        older = {"model": {"path": "models/en-es/old/" + names["model"], "uncompressedHash": "0" * 64}}
        # As db/updater.py of mozilla/translations writes it, without scores and sizes.
        self.index = {
            "generated": "2026-01-01T00:00:00Z",
            "baseUrl": address,
            "models": {"en-es": [{"architecture": "base", "files": older}, {"architecture": "tiny", "files": files}]},
        }
        write_json(folder / "models.json", self.index)
        entry = {"language": "es", "architecture": "tiny", "version": "1.0", "model_sha256": DIGEST}
        entry["files"] = [
            {"name": path.name, "size": path.stat().st_size, "sha256": sha256(path)} for path in self.paths.values()
        ]
        self.entry = entry
        self.registry = folder / "registry.json"
        write_json(self.registry, {"index": f"{address}/models.json", "models": [entry]})

    def arguments(self, language: str = "es", architecture: str = "tiny") -> list[object]:
        return ["--registry", self.registry, "--language", language, "--architecture", architecture]


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    with serving(folder) as server:
        yield Publisher(server)


@pytest.fixture
def cache(tmp_path) -> Path:
    """The folder in which the tiny model's files are looked for, still empty."""
    folder = tmp_path / "cache" / "tiny"
    folder.mkdir(parents=True)
    return folder


def test_a_published_model_is_downloaded_checked_and_named_as_the_engine_expects(published, tmp_path):
    ended = make(tmp_path / "model", *published.arguments())
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (tmp_path / "model").iterdir()} == SHARED
    for name, kind in {"model.bin": "model", "lex.bin": "lex", "vocab.spm": "vocab"}.items():
        assert (tmp_path / "model" / name).read_bytes() == CONTENTS[kind]


def test_files_in_the_cache_need_no_network(published, cache, tmp_path):
    write_json(published.registry, {"index": nowhere(), "models": [published.entry]})
    for path in published.paths.values():
        path.rename(cache / path.name)
    ended = make(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert ended.returncode == 0, ended.stderr


def test_without_a_network_one_line_says_which_files_to_put_where(published, cache, tmp_path):
    index = nowhere()
    write_json(published.registry, {"index": index, "models": [published.entry]})
    published.paths["lex"].rename(cache / published.paths["lex"].name)
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    model, vocabulary = published.paths["model"].name, published.paths["vocab"].name
    assert f"cannot download {index} (" in error
    assert error.endswith(f"; or get {model} and {vocabulary} in another way and put them into {cache}")


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (404, "(404 Not Found)"),
        (503, "(503 Service Unavailable)"),
        ("short", "; run again"),
        ("broken", "the connection broke off after"),
        ("reset", "Connection reset by peer"),
        ("endless", " bytes that it may have"),
    ],
)
@pytest.mark.parametrize("kind", ["index", "model", "lex", "vocab"])
def test_a_download_that_fails_is_named_and_leaves_nothing(published, cache, tmp_path, kind, fault, named):
    path = published.folder / "models.json" if kind == "index" else published.paths[kind]
    published.server.faults[path.name] = fault
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert f"{published.address}/{path.relative_to(published.folder)}" in error and named in error
    assert f"put it at {cache / path.name}" in error or f"put them into {cache}" in error
    assert not (cache / path.name).exists()


@pytest.mark.parametrize("fault", ["short", "broken", "reset"])
def test_after_a_failure_files_that_were_complete_are_not_downloaded_again(published, cache, tmp_path, fault):
    model, lex, vocabulary = (published.paths[kind].name for kind in ("model", "lex", "vocab"))
    published.server.faults[lex] = fault
    complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert [path.name for path in cache.iterdir()] == [model]
    published.server.faults.clear()
    assert make(tmp_path / "model", *published.arguments(), "--cache", cache.parent).returncode == 0
    assert published.server.asked == {"models.json": 2, model: 1, lex: 2, vocabulary: 1}


def test_a_download_that_was_killed_resumes_after_the_complete_files(published, cache, tmp_path):
    model, lex, vocabulary = (published.paths[kind].name for kind in ("model", "lex", "vocab"))
    published.server.faults[lex] = "stalled"
    arguments = [*published.arguments(), "--cache", cache.parent]
    process = subprocess.Popen(command(tmp_path / "model", *arguments), stderr=subprocess.DEVNULL)
    assert published.server.stalled.wait(60)
    process.kill()
    process.wait()
    assert [path.name for path in cache.glob("*.gz")] == [model] and not (tmp_path / "model").exists()
    published.server.faults.clear()
    ended = make(tmp_path / "model", *arguments)
    assert ended.returncode == 0, ended.stderr
    assert published.server.asked == {"models.json": 2, model: 1, lex: 2, vocabulary: 1}


@pytest.mark.parametrize("kind", ["model", "lex", "vocab"])
@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-9] + b"different"])
def test_a_download_that_differs_from_the_registry_is_refused_with_both_values(
    published, cache, tmp_path, kind, damage
):
    path = published.paths[kind]
    path.write_bytes(damage(path.read_bytes()))
    file = next(file for file in published.entry["files"] if file["name"] == path.name)
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    if path.stat().st_size == file["size"]:
        assert sha256(path) in error and file["sha256"] in error
    else:
        assert f"{path.stat().st_size} bytes" in error and f"says {file['size']}" in error
    assert error.endswith(f"; or get {path.name} in another way and put it at {cache / path.name}")
    assert not (cache / path.name).exists()


@pytest.mark.parametrize("content", [b"", b"another", b"different" * 20])
def test_a_file_in_the_cache_that_differs_from_the_registry_is_named(published, cache, tmp_path, content):
    path = write(cache / published.paths["lex"].name, content)
    size = published.paths["lex"].stat().st_size
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert f"{path}: {len(content)} bytes, but the registry says {size}; remove it" in error
    path.write_bytes(b"x" * size)
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert (
        f"{path}: sha256 is {sha256(path)}, but the registry says {sha256(published.paths['lex'])}; remove it" in error
    )


def test_a_published_file_that_does_not_unpack_is_named(published, cache, tmp_path):
    path, file = published.paths["vocab"], published.entry["files"][-1]
    path.write_bytes(path.read_bytes()[:-4])
    file |= {"size": path.stat().st_size, "sha256": sha256(path)}
    write_json(published.registry, {"index": f"{published.address}/models.json", "models": [published.entry]})
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert f"{cache / path.name}: cannot unpack it" in error


def test_a_model_that_unpacks_to_something_else_is_refused_with_both_hashes(published, cache, tmp_path):
    path, file = published.paths["model"], published.entry["files"][0]
    path.write_bytes(gzip.compress(b"another model"))
    file |= {"size": path.stat().st_size, "sha256": sha256(path)}
    write_json(published.registry, {"index": f"{published.address}/models.json", "models": [published.entry]})
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent)
    assert hashlib.sha256(b"another model").hexdigest() in error and published.entry["model_sha256"] in error


def test_a_disk_too_full_for_the_files_is_named(published, cache, tmp_path):
    path = published.paths["model"]
    path.write_bytes(gzip.compress(CONTENTS["model"], compresslevel=0))
    published.entry["files"][0] |= {"size": path.stat().st_size, "sha256": sha256(path)}
    write_json(published.registry, {"index": f"{published.address}/models.json", "models": [published.entry]})
    error = complaint(tmp_path / "model", *published.arguments(), "--cache", cache.parent, largest_file=5000)
    assert f"{cache / path.name}: File too large; make room and run again" in error
    assert not list(cache.iterdir())


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
        (lambda index: index.pop("models"), "not in the expected format (KeyError 'models')"),
        (lambda index: index.pop("baseUrl"), "not in the expected format (KeyError 'baseUrl')"),
        (lambda index: index["models"]["en-es"][1].pop("files"), "not in the expected format (KeyError 'files')"),
        (lambda index: index.update(models=[]), "not in the expected format (AttributeError"),
        (lambda index: index["models"].update({"en-es": {"tiny": 1}}), "not in the expected format (TypeError"),
        (
            lambda index: index["models"]["en-es"][1]["files"].update(vocab="vocab.spm"),
            "not in the expected format (TypeError",
        ),
        (lambda index: index["models"]["en-es"].pop(), f"under en-es there is no model with the sha256 {DIGEST}"),
        (lambda index: index["models"]["en-es"].pop(), f"; there is {'0' * 64}"),
        (lambda index: index["models"].clear(), "; there is none"),
        (lambda index: index.update(baseUrl="here"), "cannot download here/models/en-es/"),
        (lambda index: index["models"]["en-es"][1]["files"].pop("vocab"), "there is no vocab.enes.spm.gz"),
    ],
)
def test_an_index_with_another_layout_is_named(published, tmp_path, change, named):
    change(published.index)
    write_json(published.folder / "models.json", published.index)
    error = complaint(tmp_path / "model", *published.arguments())
    assert named in error and (f"{published.address}/models.json" in error or "download here" in error)
    assert " in another way and put " in error


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"models": {', b"\xff\xfe{"])
def test_an_index_that_is_not_json_is_named(published, tmp_path, content):
    (published.folder / "models.json").write_bytes(content)
    assert "models.json: not valid JSON" in complaint(tmp_path / "model", *published.arguments())


@pytest.mark.parametrize("content", [b"[]", b"null", b"7"])
def test_an_index_that_is_not_an_object_is_named(published, tmp_path, content):
    (published.folder / "models.json").write_bytes(content)
    assert "models.json: not in the expected format" in complaint(tmp_path / "model", *published.arguments())


def test_the_registry_has_complete_models_with_hashes():
    models = json.loads(REGISTRY.read_text())["models"]
    assert len({(model["language"], model["architecture"]) for model in models}) == len(models)
    languages = {model["language"] for model in models if model["architecture"] == "base-memory"}
    assert languages == {"bg", "cs", "de", "es", "fi", "fr", "ru", "zh"}
    for model in models:
        kinds = {file["name"].split(".")[0] for file in model["files"]}
        vocabularies = {"srcvocab", "trgvocab"} if model["language"] == "zh" else {"vocab"}
        assert kinds == {"model", "lex"} | vocabularies
        assert all(len(digest) == 64 for digest in [model["model_sha256"], *(f["sha256"] for f in model["files"])])
