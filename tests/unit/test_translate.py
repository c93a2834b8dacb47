"""Rows are assembled from translated segments, with all of the seed's ids in its order, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from basics.errors import InputError
from basics.reading import read_jsonl
from basics.writing import write_jsonl
from full_disk import files_up_to
from translate import iter_translations

SCRIPT = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "translate.py"
SEGMENTS = [{"chunk": 0, "segments": ["One dog", "Two cats"]}, {"chunk": 2, "segments": ["One cow"]}]


def answer(chunk: int, *translations: str, pieced: tuple[int, ...] = ()) -> dict:
    return {"chunk": chunk, "translations": list(translations), "pieced": list(pieced)}


def test_rows_come_back_in_the_seeds_order_with_everything_but_prose_as_it_was(tmp_path):
    rows = [
        {"id": 0, "instruction": "One dog", "input": "", "output": "- Two cats\n- 42\n\n"},
        {"id": 9, "instruction": "One cow", "input": "```\nOne dog\n```", "output": " One dog \r\nOne dog"},
    ]
    write_jsonl(tmp_path / "seed.jsonl", rows)
    write_jsonl(tmp_path / "segments.jsonl", SEGMENTS)
    write_jsonl(tmp_path / "0.jsonl", [answer(0, "Un perro", "Dos gatos")])
    write_jsonl(tmp_path / "1.jsonl", [])
    write_jsonl(tmp_path / "2.jsonl", [answer(2, "Una vaca", pieced=(0,))])
    command = [sys.executable, SCRIPT, "--seed", tmp_path / "seed.jsonl", "--segments", tmp_path / "segments.jsonl"]
    command += ["--shards", *(tmp_path / f"{shard}.jsonl" for shard in range(3)), "--output", tmp_path / "rows.jsonl"]
    subprocess.run(command, check=True)
    assert read_jsonl(tmp_path / "rows.jsonl") == [
        {"id": 0, "instruction": "Un perro", "input": "", "output": "- Dos gatos\n- 42\n\n", "flags": []},
        {
            "id": 9,
            "instruction": "Una vaca",
            "input": "```\nOne dog\n```",
            "output": " Un perro \r\nUn perro",
            "flags": ["pieced"],
        },
    ]


def test_a_row_whose_segment_was_never_made_is_named(tmp_path):
    write_jsonl(tmp_path / "seed.jsonl", [{"id": 3, "instruction": "A bee", "input": "", "output": ""}])
    write_jsonl(tmp_path / "segments.jsonl", SEGMENTS[:1])
    write_jsonl(tmp_path / "0.jsonl", [answer(0, "Un perro", "Dos gatos")])
    command = [sys.executable, SCRIPT, "--seed", tmp_path / "seed.jsonl", "--segments", tmp_path / "segments.jsonl"]
    command += ["--shards", tmp_path / "0.jsonl", "--output", tmp_path / "rows.jsonl"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and not (tmp_path / "rows.jsonl").exists()
    assert result.stderr.startswith("error: ") and "row 3: 'A bee' has no translation" in result.stderr


def test_a_full_disk_is_reported_in_one_line(tmp_path):
    """SQLite's temporary database fills it first; segment.py has one as well, but fails at its output."""
    texts = [f"The word {'abcdefghij'[n % 10] * (n % 97 + 2)} and {'klmnopqrst'[n % 9] * n}" for n in range(700)]
    rows = [{"id": n, "instruction": text, "input": "", "output": ""} for n, text in enumerate(texts)]
    write_jsonl(tmp_path / "seed.jsonl", rows)
    write_jsonl(tmp_path / "segments.jsonl", [{"chunk": 0, "segments": texts}])
    write_jsonl(tmp_path / "0.jsonl", [answer(0, *(text * 20 for text in texts))])

    segment = ["segment.py", "--seed", tmp_path / "seed.jsonl"]
    join = ["translate.py", *segment[1:], "--segments", tmp_path / "segments.jsonl", "--shards", tmp_path / "0.jsonl"]
    for script, *options in (segment, join):
        output = tmp_path / f"{script}.jsonl"
        command = [sys.executable, SCRIPT.with_name(script), *options, "--output", output]
        ended = subprocess.run(command, capture_output=True, text=True, preexec_fn=files_up_to(20_000))
        assert ended.returncode == 1 and not output.exists()
        (line,) = ended.stderr.splitlines()
        assert line.startswith("error: ") and "make room" in line and "and run again" in line


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ([answer(2, "a")], [], "0.jsonl: has chunk 2 where segments.jsonl has chunk 0"),
        ([answer(0, "a", "b")], [], "1.jsonl: has the end where segments.jsonl has chunk 2"),
        ([answer(0, "a", "b"), answer(2, "c")], [answer(3, "d")], "1.jsonl: has chunk 3 where .* has its end"),
        ([answer(0, "a")], [answer(2, "c")], "0.jsonl: chunk 0 has 1 translations, .* has 2 segments"),
        ([answer(0, "a", "b", "c")], [answer(2, "c")], "0.jsonl: chunk 0 has 3 translations, .* has 2 segments"),
    ],
)
def test_a_shard_that_does_not_match_the_segments_is_named(tmp_path, monkeypatch, first, second, named):
    monkeypatch.chdir(tmp_path)
    write_jsonl("segments.jsonl", SEGMENTS)
    write_jsonl("0.jsonl", first)
    write_jsonl("1.jsonl", second)
    with pytest.raises(InputError, match=named):
        list(iter_translations(Path("segments.jsonl"), [Path("0.jsonl"), Path("1.jsonl")]))
