"""Replies become money, and what an endpoint says about them is not believed blindly."""

import json

import pytest

from judging.spending import OVERHEAD, charged_usage, cost, journal_files, past_usage, reported_usage, usage_bound

PRICE = {"prompt": 0.5, "completion": 1.5}


def usage(prompt, completion):
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def line(*tokens, **others):
    return json.dumps({"key": "k", "value": {"text": "x", "usage": usage(*tokens)} | others}) + "\n"


def test_prices_are_for_a_million_tokens():
    assert cost(usage(2_000_000, 100_000), PRICE) == pytest.approx(1.15)


@pytest.mark.parametrize("prompt", ["", "plain English", "狗在花园里。", "🦙" * 50, "половина \ud83d"])
def test_a_prompt_has_at_most_a_token_a_byte_and_some_for_the_chat(prompt):
    assert usage_bound(prompt, 512) == usage(len(prompt.encode("utf-8", "replace")) + OVERHEAD, 512)


def test_all_journals_of_a_judge_count_once_and_broken_lines_not_at_all(tmp_path):
    own = tmp_path / "lora" / "a.jsonl"
    own.parent.mkdir()
    own.write_text(line(10, 1) + "no JSON\n" + line(10, 2))
    (tmp_path / "b.jsonl").write_text(line(100, 3) + '{"key": "k", "value": {"text": "old"}}\n' + line(5, 5)[:20])
    (tmp_path / "b.jsonl.server.log").write_text(line(1000, 1000))
    found = journal_files(own, tmp_path)
    assert sorted(map(str, found)) == sorted([str(own), str(tmp_path / "b.jsonl")])
    assert past_usage(found) == usage(120, 6)
    assert journal_files(own, None) == {own} and journal_files(tmp_path / "none.jsonl", None) == set()
    assert journal_files(own, tmp_path / "not" / "there") == {own}


@pytest.mark.parametrize(
    ("said", "kept", "counted"),
    [
        ({"prompt_tokens": 70, "completion_tokens": 9}, (70, 9), (70, 9)),
        ({"prompt_tokens": 70, "completion_tokens": 0}, (70, 0), (70, 0)),
        ({"prompt_tokens": 70, "completion_tokens": 90}, (70, 90), (70, 90)),  # reasoning beyond the limit
        (None, (0, 0), (100, 20)),
        ("many", (0, 0), (100, 20)),
        ({}, (0, 0), (100, 20)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0), (100, 20)),
        ({"prompt_tokens": 70}, (70, 0), (70, 20)),
        ({"completion_tokens": 9}, (0, 9), (100, 9)),
        ({"prompt_tokens": None, "completion_tokens": "9"}, (0, 0), (100, 20)),
        ({"prompt_tokens": True, "completion_tokens": 9.0}, (0, 0), (100, 20)),
        ({"prompt_tokens": -70, "completion_tokens": 9}, (0, 9), (100, 9)),
        ({"prompt_tokens": 70, "completion_tokens": 10**30}, (70, 0), (70, 20)),
        ({"prompt_tokens": 1001, "completion_tokens": 201}, (0, 0), (100, 20)),
    ],
)
def test_usage_that_is_missing_or_cannot_be_counts_as_the_most_that_it_can_be(said, kept, counted):
    reply = reported_usage(said, bound=usage(100, 20))
    assert (reply["usage"], charged_usage(reply)) == (usage(*kept), usage(*counted))
    assert ("bound" in reply) == (kept != counted)
