"""Translation of shards by the real engine, with the miniature's own models."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from demo_text import load_grammar, seed
from files import read_jsonl, sha256, write_json, write_jsonl

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
DEMO = REPOSITORY / "resources" / "demo"
ENGINE = REPOSITORY / ".venv-bergamot" / "bin" / "python"

pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="no Bergamot environment: make env")


def run(script: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPTS / script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Folders of the packed models: es with one vocabulary, zh with two."""
    folder = tmp_path_factory.mktemp("models")
    for language in ("es", "zh"):
        run(
            "translation_model.py", "--packed", DEMO / f"translation/en{language}.tar.gz", "--output", folder / language
        )
    return {language: folder / language for language in ("es", "zh")}


@pytest.fixture(scope="module")
def grammar() -> dict:
    return load_grammar(DEMO / "grammar.yaml")


@pytest.fixture
def seed_file(tmp_path, grammar) -> Path:
    """Fifty rows of the demo's seed data."""
    path = tmp_path / "seed.jsonl"
    write_jsonl(path, seed(grammar)[:50])
    return path


def arguments(seed_file: Path, model: Path, output: Path, **changed: object) -> list[object]:
    """Arguments of translate_shard.py, and where they are changed (`chunk_rows=4`)."""
    options = {
        "seed": seed_file,
        "model": model,
        "language": model.name,
        "engine-python": ENGINE,
        "journal": output.with_suffix(".journal"),
        "output": output,
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def translate(seed_file: Path, model: Path, output: Path, **changed: object) -> bytes:
    run("translate_shard.py", *arguments(seed_file, model, output, **changed))
    return output.read_bytes()


def complaint(seed_file: Path, model: Path, output: Path, **changed: object) -> str:
    """The one line that a run ends with that must fail."""
    ended = run("translate_shard.py", *arguments(seed_file, model, output, **changed), check=False)
    assert ended.returncode == 1 and not output.exists()
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in ended.stderr
    return errors[0]


@pytest.mark.parametrize("language", ["es", "zh"])
def test_the_demo_models_translate_the_whole_seed_data_as_the_grammar_does(models, grammar, tmp_path, language):
    """Lists, code, numbers, inputs and line breaks come through; `make demo-models` mends a changed grammar."""
    seed_file = tmp_path / "seed.jsonl"
    write_jsonl(seed_file, seed(grammar))
    translate(seed_file, models[language], tmp_path / "out.jsonl")
    wanted = [row | {"flags": []} for row in seed(grammar, language)]
    assert read_jsonl(tmp_path / "out.jsonl") == wanted


def test_rows_keep_id_order_and_layout(models, tmp_path):
    texts = {
        "instruction": "  Tell me about the horse.\r\n\r\n",
        "input": "1. the sea\n\n- The dog\n  - https://example.org\n```\nprint(6)\n```\n42",
        "output": "",
    }
    write_jsonl(tmp_path / "seed.jsonl", [{"id": 7, **texts}, {"id": 3, **texts}])
    translate(tmp_path / "seed.jsonl", models["es"], tmp_path / "out.jsonl")
    first, second = read_jsonl(tmp_path / "out.jsonl")
    assert (first["id"], second["id"]) == (7, 3)
    assert first["instruction"] == second["instruction"] == "  Cuéntame algo sobre el caballo.\r\n\r\n"
    assert first["input"] == "1. el mar\n\n- El perro\n  - https://example.org\n```\nprint(6)\n```\n42"
    assert first["output"] == "" and first["flags"] == []


@pytest.mark.parametrize("language", ["es", "zh"])
def test_workers_and_shards_do_not_change_a_byte(models, seed_file, tmp_path, language):
    model = models[language]
    whole = translate(seed_file, model, tmp_path / "whole.jsonl", chunk_rows=4)
    assert translate(seed_file, model, tmp_path / "workers.jsonl", chunk_rows=4, workers=2) == whole
    parts = [
        translate(seed_file, model, tmp_path / f"{shard}.jsonl", chunk_rows=4, shard=shard, shards=3)
        for shard in range(3)
    ]
    assert all(parts) and b"".join(parts) == whole
    run("translate.py", "--seed", seed_file, "--output", tmp_path / "joined.jsonl",
        "--shards", *(tmp_path / f"{shard}.jsonl" for shard in range(3)))  # fmt: skip
    assert (tmp_path / "joined.jsonl").read_bytes() == whole


def test_more_shards_than_chunks_leave_some_empty(models, seed_file, tmp_path):
    parts = [
        translate(seed_file, models["es"], tmp_path / f"{shard}.jsonl", chunk_rows=40, shard=shard, shards=3)
        for shard in range(3)
    ]
    assert [len(part.splitlines()) for part in parts] == [0, 40, 10]


def journal_keys(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_bytes().splitlines()]


def test_a_killed_run_is_taken_up_where_it_stopped(models, tmp_path):
    """Same bytes as an unbroken run, and nothing in the journal is asked for again."""
    rows = [
        {"id": n, "instruction": f"Tell me about the horse {n}.", "input": "", "output": "The sea"} for n in range(250)
    ]
    write_jsonl(tmp_path / "seed.jsonl", rows)
    whole = translate(tmp_path / "seed.jsonl", models["es"], tmp_path / "whole.jsonl", chunk_rows=1)

    broken, journal = tmp_path / "broken.jsonl", tmp_path / "broken.journal"
    command = [sys.executable, SCRIPTS / "translate_shard.py"]
    command += arguments(tmp_path / "seed.jsonl", models["es"], broken, chunk_rows=1)
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 5:
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not broken.exists()
    done = journal.read_bytes()
    assert done.count(b"\n") < len(rows)
    journal.write_bytes(done + b'{"key": "torn by the ki')

    assert translate(tmp_path / "seed.jsonl", models["es"], broken, chunk_rows=1) == whole
    assert journal.read_bytes().startswith(done[: done.rindex(b"\n") + 1])
    keys = journal_keys(journal)
    assert len(keys) == len(set(keys)) == len(rows)


def test_a_full_journal_needs_no_engine(models, seed_file, tmp_path):
    whole = translate(seed_file, models["es"], tmp_path / "out.jsonl")
    assert translate(seed_file, models["es"], tmp_path / "out.jsonl", engine_python=tmp_path / "none") == whole


def test_a_segment_repeated_in_a_chunk_is_sent_once(models, tmp_path):
    row = {"instruction": "The sea", "input": "The sea\nThe sea", "output": "The dog"}
    write_jsonl(tmp_path / "seed.jsonl", [{"id": n, **row} for n in range(3)])
    translate(tmp_path / "seed.jsonl", models["es"], tmp_path / "out.jsonl")
    (entry,) = read_jsonl(tmp_path / "out.journal")
    assert entry["value"] == ["El mar", "El perro"]


def test_another_model_does_not_take_answers_from_the_journal(models, seed_file, tmp_path):
    translate(seed_file, models["es"], tmp_path / "out.jsonl")
    translate(seed_file, models["zh"], tmp_path / "out.jsonl")
    assert read_jsonl(tmp_path / "out.jsonl")[0]["instruction"].endswith("。")


def test_an_engine_that_dies_once_is_started_again(models, seed_file, tmp_path):
    fragile = tmp_path / "python"
    fragile.write_text(f'#!/bin/sh\nmkdir {tmp_path}/died 2>/dev/null && kill -ABRT $$\nexec {ENGINE} "$@"\n')
    fragile.chmod(0o755)
    sound = translate(seed_file, models["es"], tmp_path / "sound.jsonl")
    assert translate(seed_file, models["es"], tmp_path / "out.jsonl", engine_python=fragile) == sound
    assert (tmp_path / "died").exists()


def broken_model(sound: Path, folder: Path, content: bytes, in_manifest: bool) -> Path:
    """A copy of a model whose model.bin is `content`, known to the manifest or not."""
    folder.mkdir()
    for path in sound.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "model.bin").write_bytes(content)
    if in_manifest:
        names = json.loads((sound / "manifest.json").read_text())
        write_json(folder / "manifest.json", {name: sha256(folder / name) for name in names})
    return folder


def test_a_damaged_model_is_found_before_the_engine_starts(models, seed_file, tmp_path):
    truncated = (models["es"] / "model.bin").read_bytes()[:-1]
    model = broken_model(models["es"], tmp_path / "model", truncated, in_manifest=False)
    error = complaint(seed_file, model, tmp_path / "out.jsonl", engine_python=tmp_path / "none")
    assert str(model / "model.bin") in error
    assert sha256(model / "model.bin") in error and sha256(models["es"] / "model.bin") in error


def test_a_model_the_engine_cannot_bear_is_named(models, seed_file, tmp_path):
    model = broken_model(models["es"], tmp_path / "model", b"no model at all" * 99, in_manifest=True)
    assert str(model / "model.bin") in complaint(seed_file, model, tmp_path / "out.jsonl")


def test_a_missing_engine_is_named(models, seed_file, tmp_path):
    error = complaint(seed_file, models["es"], tmp_path / "out.jsonl", engine_python=tmp_path / "none")
    assert str(tmp_path / "none") in error


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"id": 1, "instruction": "a", "output": "b"}, "line 2: the field 'input' is missing"),
        ({"id": 0, "instruction": "a", "input": "", "output": "b"}, "the id 0 occurs twice"),
        ({"id": 1, "instruction": "a", "input": None, "output": "b"}, "id 1: 'input' is not text"),
        ({"id": 1, "instruction": "a", "input": "\ud800", "output": "b"}, "id 1: 'input' holds half a surrogate"),
    ],
)
def test_a_bad_row_is_named_before_the_engine_starts(models, tmp_path, row, named):
    good = {"id": 0, "instruction": "a", "input": "", "output": "b"}
    path = tmp_path / "seed.jsonl"
    path.write_text(f"{json.dumps(good)}\n{json.dumps(row)}\n")
    error = complaint(path, models["es"], tmp_path / "out.jsonl", engine_python=tmp_path / "none")
    assert str(path) in error and named in error


def test_a_shard_that_is_not_there_is_refused(models, seed_file, tmp_path):
    assert "--shard 3" in complaint(seed_file, models["es"], tmp_path / "out.jsonl", shard=3, shards=3)
