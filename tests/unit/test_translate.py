"""The joined translation has the seed's ids, all of them, in its order; or there is none."""

import subprocess
import sys
from pathlib import Path

import pytest
from files import InputError, read_jsonl, write_jsonl
from translate import check_ids

SCRIPT = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "translate.py"


def rows(*ids: object) -> list[dict]:
    return [{"id": number, "instruction": "a", "input": "", "output": "b", "flags": []} for number in ids]


def test_shards_are_joined_in_the_order_given(tmp_path):
    write_jsonl(tmp_path / "seed.jsonl", rows(5, 3, 9))
    write_jsonl(tmp_path / "0.jsonl", rows(5, 3))
    write_jsonl(tmp_path / "1.jsonl", rows())
    write_jsonl(tmp_path / "2.jsonl", rows(9))
    shards = [tmp_path / f"{shard}.jsonl" for shard in range(3)]
    command = [sys.executable, SCRIPT, "--seed", tmp_path / "seed.jsonl", "--shards", *shards]
    subprocess.run([*command, "--output", tmp_path / "es.jsonl"], check=True)
    assert read_jsonl(tmp_path / "es.jsonl") == rows(5, 3, 9)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ((0, 2), (1,), "0.jsonl: id 2 stands where seed.jsonl has 1"),
        ((0, 1), (3,), "1.jsonl: id 3 stands where seed.jsonl has 2"),
        ((0, 1), (2, 2), "1.jsonl: id 2 stands where seed.jsonl has its end"),
        ((0, 1), ("2",), "1.jsonl: id '2' stands where seed.jsonl has 2"),
        ((0, 1), (), "1.jsonl: ends before id 2 of seed.jsonl"),
        ((0,), (2,), "1.jsonl: id 2 stands where seed.jsonl has 1"),
    ],
)
def test_the_shard_and_the_first_id_that_departs_are_named(first, second, named):
    shards = {Path("0.jsonl"): rows(*first), Path("1.jsonl"): rows(*second)}
    with pytest.raises(InputError) as error:
        check_ids(Path("seed.jsonl"), [0, 1, 2], shards)
    assert named in str(error.value)
