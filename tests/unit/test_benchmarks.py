"""The benchmarks' data and model are what docs/benchmarks.md says of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.append(str(BENCHMARKS))

import random_model  # noqa: E402
from structure import kept, prose  # noqa: E402
from synthetic_rows import lexicon, synthetic_rows  # noqa: E402


def words(texts) -> int:
    return sum(len(text.split()) for text in texts)


def prose_of(rows: list[dict]) -> list[str]:
    return [segment for row in rows for text in row.values() for segment in prose(text)]


def test_the_same_seed_gives_the_same_rows():
    assert list(synthetic_rows(20, 0.1)) == list(synthetic_rows(20, 0.1))
    assert list(synthetic_rows(20, 0.1)) != list(synthetic_rows(20, 0.1, seed=2))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_rows_repeat_themselves_as_much_as_asked_and_are_as_long_as_alpacas(share):
    segments = prose_of(list(synthetic_rows(1000, share)))
    assert 1 - words(set(segments)) / words(segments) == pytest.approx(share, abs=0.02)
    assert words(segments) / 1000 == pytest.approx(124, rel=0.1)


def test_rows_hold_something_to_be_kept_only_when_asked():
    assert not any(kept(segment) for segment in prose_of(list(synthetic_rows(100, 0.0))))
    assert any(kept(segment) for segment in prose_of(list(synthetic_rows(100, 0.0, numbers=0.1))))


def test_a_model_of_random_weights_decodes_as_many_pieces_as_its_length_factor_says(tmp_path):
    texts = [text for row in synthetic_rows(1500, 0.0) for text in row.values() if text]
    random_model.make_model(tmp_path / "mite", "mite", texts + lexicon())
    (tmp_path / "texts.json").write_text(json.dumps(["Cit lio rus tios gin cit tios cit lio rus gin lio."]))
    config, output = tmp_path / "mite" / "config.yml", tmp_path / "out.json"
    python = REPOSITORY / ".venv-bergamot" / "bin" / "python"
    command = [python, BENCHMARKS / "raw_engine.py", "--config", config]
    command += ["--texts", tmp_path / "texts.json", "--output", output]
    counts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert counts["sentences"] == 1
    expected = random_model.MITE_LENGTH_FACTOR * counts["source_pieces"]
    assert counts["target_pieces"] == pytest.approx(expected, abs=1.5)
    assert len(json.loads(output.read_text(encoding="utf-8"))) == 1
