"""Test prompts are read with their defects named; the authors' own files among them."""

from pathlib import Path

import pytest
from files import InputError, read_jsonl
from prompts import check_prompts
from real_prompts import AUTHORS, real_prompts


def test_prompts_keep_their_ids_and_order():
    rows = [{"id": "b", "prompt": "Hi\r\n", "note": 1}, {"id": "a", "prompt": "Ho"}]
    assert check_prompts(rows, Path("p"), 2) == [{"id": "b", "prompt": "Hi\r\n"}, {"id": "a", "prompt": "Ho"}]


@real_prompts
@pytest.mark.parametrize("lang", ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"])
def test_the_authors_prompts_are_fifty_a_language(lang):
    path = AUTHORS / f"test_{lang}.jsonl"
    assert len(check_prompts(read_jsonl(path, fields=("id", "prompt")), path, 50)) == 50


@real_prompts
def test_the_broken_line_of_the_authors_hindi_file_is_named():
    with pytest.raises(InputError, match=r"test_hi.jsonl, line 50: not valid JSON"):
        read_jsonl(AUTHORS / "test_hi.jsonl", fields=("id", "prompt"))
