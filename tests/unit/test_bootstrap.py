"""Score tables by prompt, and the bootstrap."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reporting.bootstrap import by_prompt, confidence_interval, draw_resamples, resampled_sums, student_quantile

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import synthetic_scores

TABLE = synthetic_scores.full_matrix()
ROW = ("lora", "bloom-3b", "multilingual")
WHOLE = by_prompt(TABLE, 50)


def answers(lang, id, **run):
    """A filter for the rows that answer a prompt, of all runs or of the given one."""
    return pl.all_horizontal(pl.col(name) == value for name, value in ({"lang": lang, "id": id} | run).items())


def test_values_are_in_the_order_of_the_languages_prompts():
    asked = TABLE.filter(pl.col("method") == ROW[0], pl.col("model") == ROW[1], pl.col("recipe") == ROW[2])
    spanish = asked.filter(pl.col("lang") == "es")
    assert WHOLE.values((*ROW, "es")).tolist() == spanish["score"].to_list()
    assert WHOLE.values((*ROW, "es"), "lost").tolist() == (spanish["rating"] - spanish["score"]).to_list()


def test_a_run_that_lacks_an_answer_is_left_out_and_shifts_no_prompt_of_another():
    first = TABLE.filter(pl.col("lang") == "es").select("method", "model", "recipe").row(0, named=True)
    scores = by_prompt(TABLE.filter(~answers("es", "prompt-02", **first)), 50)
    cell = (*first.values(), "es")
    assert (scores.values(cell), scores.answers[cell]) == (None, 49)
    assert len(scores.rows) == len(WHOLE.rows) - 1
    assert all((scores.values(cell) == WHOLE.values(cell)).all() for cell in scores.rows)


def test_a_prompt_that_no_run_answered_leaves_its_language_out():
    scores = by_prompt(TABLE.filter(~answers("es", "prompt-02")), 50)
    assert {cell[3] for cell in WHOLE.rows} - {cell[3] for cell in scores.rows} == {"es"}


def test_an_id_that_differs_in_one_language_shifts_no_prompt():
    other = pl.when(answers("zh", "prompt-12")).then(pl.lit("an id of its own")).otherwise("id").alias("id")
    scores = by_prompt(TABLE.with_columns(other), 50)
    assert (scores.score == WHOLE.score).all() and scores.rows == WHOLE.rows


def test_a_missing_rating_counts_0_in_both_measures():
    unrated = answers("es", "prompt-02", method=ROW[0], model=ROW[1], recipe=ROW[2])
    table = TABLE.with_columns(pl.when(unrated).then(None).otherwise(name).alias(name) for name in ("rating", "score"))
    scores = by_prompt(table, 50)
    assert (scores.values((*ROW, "es"))[2], scores.values((*ROW, "es"), "lost")[2]) == (0, 0)
    assert sum(scores.unrated.values()) == scores.unrated[(*ROW, "es")] == 1


def test_a_resample_has_one_prompt_fewer_and_is_scaled_up_so_that_its_variance_is_that_of_the_sum():
    drawn = draw_resamples(50, 20_000, 1)
    assert (drawn.sum(0) == 49).all()
    values = np.random.default_rng(2).normal(size=50)
    sums = resampled_sums(values, drawn)
    assert sums.mean() == pytest.approx(values.sum(), abs=0.2)
    assert sums.var() == pytest.approx(50 * values.var(ddof=1), rel=0.03)


def test_an_interval_is_as_wide_as_students_t():
    assert [round(student_quantile(0.975, freedom), 2) for freedom in (9, 49, 10_000)] == [2.26, 2.01, 1.96]
    low, high = confidence_interval(np.random.default_rng(3).normal(size=200_000), 0.95, 50)
    assert (low, high) == (pytest.approx(-2.01, abs=0.02), pytest.approx(2.01, abs=0.02))
