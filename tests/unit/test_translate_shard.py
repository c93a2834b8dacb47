"""Translation of shards by the real engine, with the miniature's own models: the same bytes, whatever happens."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from basics.hashing import sha256
from basics.reading import read_jsonl
from basics.writing import write_json, write_jsonl
from demo_text import load_grammar, seed
from full_disk import files_up_to
from translate_shard import (
    Sentence,
    group_sentences,
    join_translations,
    loses_something,
    restore_numbers,
    translate_and_repair,
)
from translating.engine import best_level

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
DEMO = REPOSITORY / "resources" / "demo"
ENGINE = REPOSITORY / ".venv-bergamot" / "bin" / "python"

real_engine = pytest.mark.skipif(not ENGINE.exists(), reason="no Bergamot environment: make env")


# What is done with the engine's answers


def answer_of(*sentences: str) -> list[Sentence]:
    """An engine's answer to "A. B." from "A.>X.", " B.>Y.": each sentence with the space before it."""
    parts = (sentence.split(">") for sentence in sentences)
    return [Sentence(" " * (len(source) - len(source.lstrip())), source.lstrip(), target) for source, target in parts]


@pytest.mark.parametrize(
    ("source", "target", "restored"),
    [
        ("It costs 1,000.50 now.", "Kostet 1.000,50 jetzt.", "Kostet 1,000.50 jetzt."),
        ("At 3:30 or at 4", "Um 3.30 oder um 4", "Um 3:30 oder um 4"),
        ("In 2019", "在２０１９年", "在2019年"),
        ("1,000 and 1.000", "1.000 und 1.000", "1,000 und 1.000"),
        ("Take 3", "Nimm 5", "Nimm 5"),
        ("Take three", "Nimm 3", "Nimm 3"),
    ],
)
def test_a_number_that_only_changed_its_separators_gets_the_sources_back(source, target, restored):
    assert restore_numbers(source, target) == restored


@pytest.mark.parametrize(
    ("source", "target", "loses"),
    [
        ("Call `f(x)` twice.", "Ruf `f(x)` zweimal.", False),
        ("Call `f(x)` twice.", "Ruf „f(x)“ zweimal.", True),
        ("Take 3 of 3.", "Nimm 3.", True),
        ("Take 12.", "Nimm 120.", True),
        ("Take it.", "", True),
        ("Take it.", "Nimm 2.", False),
    ],
)
def test_a_translation_loses_what_it_has_fewer_times_than_the_source(source, target, loses):
    assert loses_something(source, target) is loses


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("Uno.", "Dos.", "Uno. Dos."),
        ("一。", "二。", "一。二。"),
        ("一。", "Two", "一。Two"),
        ("一", "二", "一二"),
        ("Wi-Fi", "二", "Wi-Fi 二"),
    ],
)
def test_chinese_sentences_are_joined_without_a_space(before, after, text):
    assert join_translations(before, " ", after) == text


def test_sentences_are_joined_where_a_span_crosses_from_one_into_the_next():
    assert group_sentences(
        "Type `a. B` now. Go.", answer_of("Type `a.>Tipp `a.", " B` now.>B` jetzt.", " Go.>Los.")
    ) == [
        ("", "Type `a. B` now.", "Tipp `a. B` jetzt."),
        (" ", "Go.", "Los."),
    ]


def test_a_sentence_that_lost_something_is_translated_again_around_it():
    """Only that sentence, and the space after the last one is kept."""
    answers = {
        "Pay $3.50 to me@a.org now. Go. ": answer_of("Pay $3.50 to me@a.org now.>Zahl.", " Go.>Los."),
        "Pay": answer_of("Pay>Zahl"),
        "to": answer_of("to>an"),
        "now.": answer_of("now.>jetzt."),
    }
    asked = []

    def translate(segments):
        asked.append(segments)
        return [answers[segment] for segment in segments]

    segments = ["Pay $3.50 to me@a.org now. Go. "]
    assert translate_and_repair(segments, translate) == (["Zahl $3.50 an me@a.org jetzt. Los. "], [0])
    assert asked == [segments, ["Pay", "to", "now."]]


def test_a_sentence_without_words_stays_and_one_that_comes_back_empty_is_not_lost():
    answers = {"1. Sit": answer_of("1.>Eins und", " Sit>"), "Sit": answer_of("Sit>")}
    assert translate_and_repair(["1. Sit"], lambda segments: [answers[segment] for segment in segments]) == (
        ["1. Sit"],
        [0],
    )


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu sse4_2 avx", None),
        ("fpu avx avx2", "AVX2"),
        ("avx2 avx512f avx512bw", "AVX512BW"),
        ("avx2 avx512bw avx512_vnni", "AVX512VNNI"),
    ],
)
def test_the_best_kernels_of_a_processor_are_known_and_without_avx2_there_are_none(tmp_path, flags, level):
    """Without it, the engine would fall back to others, which round differently."""
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\nbugs\t:\n")
    assert best_level(tmp_path / "cpuinfo") == level
    assert best_level(tmp_path / "not told") == "AVX2"


# The program


def run(script: str, *arguments: object, check: bool = True, **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPTS / script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check, **options)


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


def requests_file(path: Path, requests: list[list[str]]) -> Path:
    write_jsonl(path, [{"chunk": chunk, "segments": segments} for chunk, segments in enumerate(requests)])
    return path


@pytest.fixture
def segments(tmp_path) -> Path:
    """Sixty requests, with numbers that the model loses, so that sentences are translated in pieces as well."""
    texts = [f"Tell me about the horse {n}. The sea is big and {n * 7} birds sing." for n in range(180)]
    return requests_file(tmp_path / "segments.jsonl", [texts[n : n + 3] for n in range(0, 180, 3)])


def arguments(segments: Path, model: Path, output: Path, **changed: object) -> list[object]:
    """Arguments of translate_shard.py, with changes such as `shard=1`."""
    options = {
        "segments": segments,
        "model": model,
        "language": model.name,
        "engine-python": ENGINE,
        "journal": output.with_suffix(".journal"),
        "output": output,
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def translate(segments: Path, model: Path, output: Path, **changed: object) -> bytes:
    run("translate_shard.py", *arguments(segments, model, output, **changed))
    return output.read_bytes()


def one_line(ended: subprocess.CompletedProcess, output: Path) -> str:
    """The one line of a run that must fail."""
    assert ended.returncode == 1 and not output.exists()
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in ended.stderr
    return errors[0]


def complaint(segments: Path, model: Path, output: Path, **changed: object) -> str:
    return one_line(run("translate_shard.py", *arguments(segments, model, output, **changed), check=False), output)


def translations(path: Path) -> list[str]:
    return [text for answer in read_jsonl(path) for text in answer["translations"]]


@real_engine
def test_native_kernels_have_answers_of_their_own_in_the_journal(models, segments, tmp_path):
    portable = translate(segments, models["es"], tmp_path / "out.jsonl")
    translate(segments, models["es"], tmp_path / "native.jsonl", journal=tmp_path / "out.journal", kernels="native")
    keys = journal_keys(tmp_path / "out.journal")
    assert len(keys) == len(set(keys)) > len(translations(tmp_path / "out.jsonl")) / 3, "asked again, under other keys"
    assert all(text.startswith("Cuéntame algo sobre el caballo") for text in translations(tmp_path / "native.jsonl"))
    assert translate(segments, models["es"], tmp_path / "out.jsonl") == portable
    assert len(journal_keys(tmp_path / "out.journal")) == len(keys)


@real_engine
@pytest.mark.parametrize("language", ["es", "zh"])
def test_the_demo_models_translate_the_whole_seed_data_as_the_grammar_does(models, grammar, tmp_path, language):
    """Lists, code, numbers, inputs and line breaks survive. After a change to the grammar, run `make demo-models`."""
    write_jsonl(tmp_path / "seed.jsonl", seed(grammar))
    run("segment.py", "--seed", tmp_path / "seed.jsonl", "--chunk-rows", 16, "--output", tmp_path / "segments.jsonl")
    translate(tmp_path / "segments.jsonl", models[language], tmp_path / "shard.jsonl")
    run("translate.py", "--seed", tmp_path / "seed.jsonl", "--segments", tmp_path / "segments.jsonl",
        "--shards", tmp_path / "shard.jsonl", "--output", tmp_path / "rows.jsonl")  # fmt: skip
    assert read_jsonl(tmp_path / "rows.jsonl") == [row | {"flags": []} for row in seed(grammar, language)]


@real_engine
@pytest.mark.parametrize("language", ["es", "zh"])
def test_workers_and_shards_do_not_change_a_byte(models, segments, tmp_path, language):
    model = models[language]
    whole = translate(segments, model, tmp_path / "whole.jsonl")
    assert translate(segments, model, tmp_path / "workers.jsonl", workers=2) == whole
    parts = [
        translate(segments, model, tmp_path / f"{n}.jsonl", shard=n, shards=7, workers=n % 2 + 1) for n in range(7)
    ]
    assert all(parts) and b"".join(parts) == whole


@real_engine
def test_more_shards_than_requests_leave_some_empty(models, tmp_path):
    segments = requests_file(tmp_path / "segments.jsonl", [["The sea"], ["The dog"]])
    parts = [translate(segments, models["es"], tmp_path / f"{n}.jsonl", shard=n, shards=3) for n in range(3)]
    assert sorted(len(part.splitlines()) for part in parts) == [0, 1, 1]


def journal_keys(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_bytes().splitlines()]


@real_engine
def test_a_shard_killed_at_ten_moments_resumes_and_ends_with_the_same_bytes(models, segments, tmp_path):
    """Nothing in the journal is asked for again: its entries are those of the uninterrupted run, each once."""
    whole = translate(segments, models["es"], tmp_path / "whole.jsonl")
    unbroken = len(journal_keys(tmp_path / "whole.journal"))

    broken, journal = tmp_path / "broken.jsonl", tmp_path / "broken.journal"
    instants = random.Random(7)
    done = b""
    for kill in range(10):
        options = arguments(segments, models["es"], broken, workers=kill % 2 + 1)
        command = [sys.executable, SCRIPTS / "translate_shard.py", *options]
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, start_new_session=True)
        wanted = done.count(b"\n") + instants.randrange(unbroken // 12)
        while not journal.exists() or journal.read_bytes().count(b"\n") < wanted:
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(instants.random() * 0.02)
        if kill % 3:
            os.killpg(process.pid, signal.SIGKILL)  # engine and all, as when a node goes down
        else:
            process.kill()
        process.wait()
        assert not broken.exists()
        assert journal.read_bytes().startswith(done)
        done = journal.read_bytes()
        done = done[: done.rfind(b"\n") + 1]
        if kill == 4:
            journal.write_bytes(done + b'{"key": "torn by the ki')

    assert translate(segments, models["es"], broken) == whole
    assert journal.read_bytes().startswith(done)
    assert len(journal_keys(journal)) == len(set(journal_keys(journal))) == unbroken


@real_engine
def test_a_full_journal_needs_no_engine(models, segments, tmp_path):
    whole = translate(segments, models["es"], tmp_path / "out.jsonl")
    result = run("translate_shard.py", *arguments(segments, models["es"], tmp_path / "out.jsonl", engine_python="none"))
    assert (tmp_path / "out.jsonl").read_bytes() == whole
    assert "0 segments and pieces sent to the engine" in result.stderr


@real_engine
def test_another_model_does_not_take_answers_from_the_journal(models, tmp_path):
    segments = requests_file(tmp_path / "segments.jsonl", [["The sea is big."]])
    translate(segments, models["es"], tmp_path / "out.jsonl")
    translate(segments, models["zh"], tmp_path / "out.jsonl")
    assert translations(tmp_path / "out.jsonl")[0].endswith("。")


@real_engine
def test_an_engine_that_dies_during_a_shard_is_started_again(models, segments, tmp_path):
    """The engine alone is killed, three times; the shard goes on."""
    whole = translate(segments, models["es"], tmp_path / "whole.jsonl")
    engines = tmp_path / "engines"
    noted = tmp_path / "python"
    noted.write_text(f'#!/bin/sh\necho $$ >> {engines}\nexec {ENGINE} "$@"\n')
    noted.chmod(0o755)

    def noted_pids() -> list[int]:
        return [int(pid) for pid in engines.read_text().split()]

    out = tmp_path / "out.jsonl"
    command = [sys.executable, SCRIPTS / "translate_shard.py"]
    command += arguments(segments, models["es"], out, engine_python=noted)
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    journal = out.with_suffix(".journal")
    for deaths in (1, 2, 3):
        while not journal.exists() or journal.read_bytes().count(b"\n") < 20 * deaths or len(noted_pids()) < deaths:
            assert process.poll() is None
            time.sleep(0.002)
        os.kill(noted_pids()[-1], signal.SIGKILL)
    process.communicate()
    assert process.returncode == 0 and out.read_bytes() == whole
    assert len(noted_pids()) == 4


@real_engine
def test_a_full_disk_ends_a_shard_with_one_line_and_loses_nothing(models, segments, tmp_path):
    whole = translate(segments, models["es"], tmp_path / "whole.jsonl")
    out, journal = tmp_path / "out.jsonl", tmp_path / "out.journal"

    for size in (3000, 9000):
        options = {"check": False, "preexec_fn": files_up_to(size)}
        error = one_line(run("translate_shard.py", *arguments(segments, models["es"], out), **options), out)
        assert f"{tmp_path}/out." in error and "make room and run again" in error
        assert journal.read_bytes().endswith(b"}\n")
    kept = journal.read_bytes()
    assert translate(segments, models["es"], out) == whole
    assert journal.read_bytes().startswith(kept)


@real_engine
@pytest.mark.parametrize("language", ["es", "zh"])
@pytest.mark.parametrize("text", ["Tell me about the sea. ", "The sea ", "sea", "Take 3. ", "👩‍👩‍👧", "7 "])
def test_a_segment_of_100_000_characters_is_translated(models, tmp_path, language, text):
    """Whether it is made of sentences, or is one endless sentence or one word."""
    long = (text * (100_000 // len(text))).strip()
    segments = requests_file(tmp_path / "segments.jsonl", [[long, "The dog"]])
    translate(segments, models[language], tmp_path / "out.jsonl")
    translated, short = translations(tmp_path / "out.jsonl")
    assert short in ("El perro", "狗")
    assert len(translated.splitlines()) == 1
    if text == "Tell me about the sea. ":
        assert set(translated.split()) == (
            {"Cuéntame", "algo", "sobre", "el", "mar."} if language == "es" else {translated}
        )
    if language == "zh" and text == "The sea ":
        assert " " not in translated  # no space where the engine split the text


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


@real_engine
def test_a_truncated_model_is_found_before_the_engine_starts(models, segments, tmp_path):
    truncated = (models["es"] / "model.bin").read_bytes()[:-1]
    model = broken_model(models["es"], tmp_path / "model", truncated, in_manifest=False)
    error = complaint(segments, model, tmp_path / "out.jsonl", engine_python=tmp_path / "none")
    assert str(model / "model.bin") in error
    assert sha256(model / "model.bin") in error and sha256(models["es"] / "model.bin") in error


@real_engine
def test_a_model_that_the_engine_cannot_load_is_named(models, segments, tmp_path):
    model = broken_model(models["es"], tmp_path / "model", b"no model at all" * 99, in_manifest=True)
    assert str(model / "model.bin") in complaint(segments, model, tmp_path / "out.jsonl")


@real_engine
def test_a_python_without_the_engine_is_named_and_not_the_model(models, segments, tmp_path):
    error = complaint(segments, models["es"], tmp_path / "out.jsonl", engine_python=sys.executable)
    assert error.startswith(f"error: {sys.executable}: no bergamot 0.4.5 here")


@real_engine
def test_a_missing_engine_is_named(models, segments, tmp_path):
    error = complaint(segments, models["es"], tmp_path / "out.jsonl", engine_python=tmp_path / "none")
    assert str(tmp_path / "none") in error


@real_engine
def test_an_invalid_line_of_the_segments_is_named(models, tmp_path):
    path = tmp_path / "segments.jsonl"
    path.write_text('{"chunk": 0, "segments": ["A dog"]}\n{"chunk": 1}\n')
    error = complaint(path, models["es"], tmp_path / "out.jsonl", engine_python=tmp_path / "none")
    assert f"{path}, line 2: the field 'segments' is missing" in error


@real_engine
def test_a_shard_number_out_of_range_is_refused(models, segments, tmp_path):
    assert "--shard 3" in complaint(segments, models["es"], tmp_path / "out.jsonl", shard=3, shards=3)
