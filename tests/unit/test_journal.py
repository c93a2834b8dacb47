"""A journal keeps what was done through any kill, and never hands out a torn entry."""

import pytest
from journal import Journal, item_key


def test_entries_survive_the_process(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal["a"] = {"text": "naïve\n"}
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert "a" in journal
        assert journal["a"] == {"text": "naïve\n"}
        assert len(journal) == 1


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_torn_last_line_is_dropped_and_written_again(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal["a"] = 1
        whole = path.read_bytes()
        journal["b"] = {"text": "12345678"}
    complete = path.read_bytes()
    path.write_bytes(complete[:-cut] if len(complete) - cut > len(whole) else whole)
    with Journal(path) as journal:
        assert "a" in journal
        assert "b" not in journal
        journal["b"] = {"text": "12345678"}
    assert path.read_bytes() == complete


def test_a_key_depends_on_every_determinant_and_not_on_their_order():
    key = item_key(model="m", text="t")
    assert key == item_key(text="t", model="m")
    assert key != item_key(model="m", text="u")
    assert key != item_key(model="m", texts="t")
