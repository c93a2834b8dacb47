"""The training data as a data set: `datasets` loads it, and its card says what is in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Features, List, Value, get_dataset_config_names, load_dataset
from huggingface_hub import DatasetCard

from basics.paths import REPOSITORY
from study.sources import Sources
from study.translations import Translations

SEED = [
    {"id": 0, "instruction": "What is a cat?", "input": "", "output": "An animal."},
    {"id": 1, "instruction": "Say it.", "input": "| a | b |\u2028", "output": "---\n```\nx\n```"},
]
TRANSLATED = [
    {"id": 0, "instruction": "Hva er en katt?", "input": "", "output": "Et dyr.", "flags": []},
    {"id": 1, "instruction": "猫 <b>", "input": "| a | b |\u2028", "output": "", "flags": ["blank", "language"]},
]
OPTIONS = ("--origin", "no=a *model*", "--note", "A <b>note</b>.")


def export(folder: Path, options: tuple[str, ...] = (), **rows: list[dict]) -> subprocess.CompletedProcess:
    command = [sys.executable, REPOSITORY / "workflow" / "scripts" / "export_translations.py", *options]
    for lang, some in rows.items():
        path = folder / f"{lang}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
        command += ["--rows", f"{lang}={path}"]
    command += ["--languages", REPOSITORY / "resources" / "languages.yaml", "--title", "mine"]
    command += ["--output", folder / "out"]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, encoding="utf-8")


@pytest.fixture
def made(tmp_path) -> Path:
    """English, and Norwegian, whose code YAML would read as false."""
    done = export(tmp_path, OPTIONS, en=SEED, no=TRANSLATED)
    assert done.returncode == 0, done.stderr
    return tmp_path / "out"


def test_datasets_loads_each_language_and_all_of_them(made, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert get_dataset_config_names(str(made)) == ["all", "en", "no"]
    norwegian = load_dataset(str(made), "no", split="train", cache_dir=str(tmp_path / "cache"))
    assert norwegian.to_list() == [row | {"lang": "no"} for row in TRANSLATED]
    text = Value("string")
    assert norwegian.features == Features(
        {"id": Value("int64"), "lang": text, "instruction": text, "input": text, "output": text, "flags": List(text)}
    )
    whole = load_dataset(str(made), split="train", cache_dir=str(tmp_path / "cache"))
    assert list(zip(whole["lang"], whole["id"], strict=True)) == [("en", 0), ("en", 1), ("no", 0), ("no", 1)]
    assert whole["flags"][:2] == [[], []]


def test_the_card_is_one_that_the_hub_reads(made):
    card = DatasetCard.load(made / "README.md")
    assert card.data.language == ["en", "no"]
    assert card.data.size_categories == "n<1K"
    assert card.data.license is None, "it depends on the data and the models"


def test_the_card_says_how_many_rows_have_which_flag_and_where_they_come_from(made):
    lines = [" ".join(line.split()) for line in (made / "README.md").read_text(encoding="utf-8").splitlines()]
    assert r"| `no` | Norwegian | 2 | 1 | a \*model\* |" in lines
    assert "| `en` | English | 2 | 0 | unknown |" in lines
    [blank] = [line for line in lines if line.startswith("| `blank` |")]
    assert blank.endswith("| 0 | 1 |")
    assert r"> A \<b>note\</b>." in lines


def test_the_same_rows_make_the_same_bytes(made, tmp_path):
    first = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    assert export(tmp_path, OPTIONS, en=SEED, no=TRANSLATED).returncode == 0
    assert len(first) == 3 and first == {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "rows", "fault"),
    [
        (("--rows", "en=x.jsonl"), SEED, "error: --rows: the language en is given twice; give one file for each"),
        ((), [], "error: {folder}/en.jsonl: there are no rows in it; make it again"),
        (
            (),
            [{"id": 0}],
            "error: {folder}/en.jsonl, line 1: the field 'instruction' is missing; correct",
        ),
        (("--rows", "es"), SEED, "argument --rows: 'es' is not CODE=FILE, as in es=prompts/es.jsonl"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(options, rows, fault, tmp_path):
    done = export(tmp_path, options, en=rows)
    assert done.returncode != 0 and not (tmp_path / "out").exists()
    assert fault.format(folder=tmp_path) in done.stderr.splitlines()[-1]


def test_where_rows_come_from_is_told_without_a_path():
    config = {
        "sources": {"mine": {"path": "/home/me/mine.jsonl"}},
        "data": {"seed": "mine", "prompts": {}, "rows": "all"},
        "translation": {"source": {"es": "firefox", "fr": "packed", "bg": "/home/me/secret/bg.jsonl", "ru": "mine"}},
        "languages": {"seen": ["en"]},
        "random_seed": 1,
    }
    origins = Translations(config, Sources(config)).origins(["en", "es", "fr", "bg", "ru"])
    assert origins == [
        "the seed data",
        "Bergamot with a model of Firefox Translations",
        "Bergamot with a model of one's own",
        "given: bg.jsonl",
        "given: mine",
    ]
