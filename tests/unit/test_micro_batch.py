"""The fastest micro-batch that memory allows is found by trying, in few tries."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from basics.reading import read_json
from micro_batch import Fit, Padding, fastest
from trainings import LORA, SETTINGS, Training, make_house


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 2000), st.integers(1, 64))
def test_the_size_found_fits_and_one_row_more_would_not(fixed, a_row, limit, upper):
    """Memory grows with the rows; one row more would exceed the limit, or `upper`."""
    tried = []

    def rehearse(rows: int) -> int:
        tried.append(rows)
        return fixed + a_row * rows

    most = Fit(rehearse, lambda: limit).largest(upper)
    assert most <= upper
    assert most == 0 or fixed + a_row * most <= limit
    assert len(tried) <= 7 and len(set(tried)) == len(tried)
    assert most == upper or fixed + a_row * (most + 1) > limit


def test_running_out_of_memory_does_not_end_the_search():
    fit = Fit(lambda rows: 10 * rows if rows <= 12 else None, lambda: 1_000)
    assert fit.largest(64) == 9, "neither 16 nor 15 fitted, though both were expected to; 9 is half-way"
    assert fit.peaks == {1: 10, 4: 40, 16: None, 15: None, 9: 90}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return make_house(tmp_path_factory.mktemp("house"))


def find(house, output, *options: str, method: str = "lora") -> subprocess.CompletedProcess:
    training = Training(house, output, method)
    settings = json.dumps(SETTINGS | {"micro_batch_tokens": "auto", "lora": LORA})
    command = [str(tiny.SCRIPTS / "train.py"), "--method", method, "--model", str(training.arguments().model)]
    command += ["--adapter-modules", *tiny.MODULES["bloom"]]
    program = [sys.executable, str(tiny.SCRIPTS / "micro_batch.py"), "--settings", settings, "--output", str(output)]
    return subprocess.run([*program, *options, "--", *command], capture_output=True, text=True)


def test_a_real_training_is_tried_until_the_memory_is_full(house, tmp_path):
    output = tmp_path / "found.json"
    memory = 950 * 2**20
    run = find(house, output, "--length", "2048", "--memory", str(memory))
    assert run.returncode == 0, run.stderr
    found = read_json(output)
    peaks = {entry["tokens"]: entry["peak_memory"] for entry in found["tried"]}
    assert found["tokens"] % 2048 == 0 and peaks[found["tokens"]] <= 0.9 * memory
    most = max(tokens for tokens, peak in peaks.items() if peak <= 0.9 * memory)
    speeds = {entry["tokens"]: entry["tokens_per_second"] for entry in found["tried"] if entry["peak_memory"]}
    assert found["tokens"] == max((tokens for tokens in speeds if tokens <= most), key=speeds.__getitem__)
    assert f"{found['tokens']:,} tokens per micro-batch, of up to {most:,} that fit" in run.stderr.splitlines()[-1]


def never() -> bool:
    return False


@given(st.integers(1, 64), st.integers(1, 64))
def test_of_what_fits_the_fastest_is_taken(most, best):
    """Speed grows up to `best` and falls after it; a size that was not tried may be up to twice as far away."""
    fit = Fit(lambda rows: rows, lambda: most)
    upper = fit.largest(64)
    assert upper == most
    rows = fastest(lambda rows: -abs(rows - best), fit, upper, never)
    assert rows <= most and abs(rows - best) <= min(abs(tried - best) for tried in fit.peaks if tried <= most)
    assert len(fit.peaks) <= 9


def test_half_and_twice_the_best_are_tried_too():
    fit = Fit(lambda rows: rows, lambda: 64)
    assert fit.largest(64) == 64 and sorted(fit.peaks) == [1, 4, 16, 64]
    assert fastest({1: 1, 4: 5, 16: 8, 64: 2, 8: 9, 32: 3}.__getitem__, fit, 64, never) == 8
    assert sorted(fit.peaks) == [1, 4, 8, 16, 32, 64]


def test_when_time_is_over_the_best_so_far_is_taken():
    fit = Fit(lambda rows: rows, lambda: 64)
    fit.largest(64)
    assert fastest({1: 1, 4: 5, 16: 8, 64: 2}.__getitem__, fit, 64, lambda: True) == 16


def test_the_larger_a_micro_batch_the_more_of_it_is_padding(house):
    padding = Padding(Training(house, house, "lora").arguments().tokens, batch=16, order="random")
    shares = [padding.real_share(tokens) for tokens in (1, 64, 256, 4096)]
    assert shares[0] == 1 and shares == sorted(shares, reverse=True) and shares[-1] < 0.9


def test_the_padding_of_the_recipe_weighs_in_what_is_found(house, tmp_path):
    output, tokens = tmp_path / "found.json", Training(house, tmp_path, "lora").arguments().tokens
    run = find(house, output, "--length", "64", "--memory", str(2**33), "--tokens", str(tokens))
    assert run.returncode == 0, run.stderr
    found = read_json(output)
    worth = {entry["tokens"]: entry["tokens_per_second"] * entry["real_share"] for entry in found["tried"]}
    assert found["tokens"] == max(worth, key=worth.__getitem__)
    assert found["tried"][0]["real_share"] > found["tried"][-1]["real_share"]


def test_what_cannot_fit_is_reported_in_one_line_with_a_remedy(house, tmp_path):
    output = tmp_path / "found.json"
    run = find(house, output, "--length", "512", "--memory", "1000000")
    assert run.returncode == 1
    assert "error: one row of 512 tokens needs 0." in run.stderr and "recompute activations" in run.stderr
    run = find(house, output, "--length", "64", "--memory", "10000000", method="full")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert not output.exists()
