"""Replies become money, and the budget is never passed, however many spend at once."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.spending import OVERHEAD, OverBudget, Spending, cost, journal_files, past_usage, usage_bound

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
    assert past_usage(found, since=0) == (usage(120, 6), [])
    assert journal_files(own, None) == {own} and journal_files(tmp_path / "none.jsonl", None) == set()
    assert journal_files(own, tmp_path / "not" / "there") == {own}


def test_replies_of_the_last_minute_are_told_one_by_one(tmp_path):
    (tmp_path / "a.jsonl").write_text(line(10, 1, at=1000.0) + line(20, 2, at=1090.5) + line(40, 4))
    (tmp_path / "b.jsonl").write_text(line(30, 3, at=1070.0))
    before = past_usage(journal_files(tmp_path / "a.jsonl", tmp_path), since=1050)
    assert before == (usage(100, 10), [(1070.0, 33), (1090.5, 22)])


def test_a_call_that_could_pass_the_budget_is_not_started():
    spending = Spending(PRICE, budget=2.0, used=usage(1_000_000, 0))
    bound = usage(1_000_000, 0)  # half a dollar
    for _ in range(3):
        spending.reserve(bound)
    with pytest.raises(OverBudget):
        spending.reserve(usage(100, 0))
    spending.settle(bound, usage(200_000, 0))
    assert spending.spent == pytest.approx(0.6)
    spending.reserve(usage(799_000, 0))
    with pytest.raises(OverBudget):
        spending.reserve(usage(2_000, 0))


def test_without_a_budget_money_is_only_counted():
    spending = Spending(PRICE)
    spending.reserve(usage(10**9, 0))
    spending.settle(usage(10**9, 0), usage(1_000_000, 0))
    assert spending.spent == pytest.approx(0.5)
    Spending().reserve(usage(10**9, 10**9))


@given(st.integers(0, 3000), st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=8, max_size=60))
def test_any_number_of_threads_stay_within_the_budget(budget, calls):
    spending, charged, lock = Spending({"prompt": 1, "completion": 1}, budget / 1e6), [], threading.Lock()

    def spend(own):
        for bound, share in own:
            try:
                spending.reserve(usage(bound, 0))
            except OverBudget:
                continue
            used = int(bound * share)
            with lock:
                charged.append(used)
            spending.settle(usage(bound, 0), usage(used, 0))

    threads = [threading.Thread(target=spend, args=(calls[part::3],)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(charged) <= budget
    assert spending.spent * 1e6 == pytest.approx(sum(charged), abs=1e-3)
