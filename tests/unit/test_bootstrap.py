"""Score tables by prompt, and the bootstrap."""

import math
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reporting.bootstrap import by_prompt, confidence_interval, draw_resamples, student_quantile

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
    assert (drawn.counts.sum(0) == 49).all()
    values = np.random.default_rng(2).normal(size=50)
    sums = drawn.sums(values)
    assert sums.mean() == pytest.approx(values.sum(), abs=0.2)
    assert sums.var() == pytest.approx(50 * values.var(ddof=1), rel=0.03)


def test_an_interval_is_as_wide_as_students_t():
    assert [round(student_quantile(0.975, freedom), 2) for freedom in (9, 49, 10_000)] == [2.26, 2.01, 1.96]
    low, high = confidence_interval(np.random.default_rng(3).normal(size=200_000), 0.95, 50)
    assert (low, high) == (pytest.approx(-2.01, abs=0.02), pytest.approx(2.01, abs=0.02))


# Several trainings of a run


def with_other_seeds(*changes: float) -> pl.DataFrame:
    """The scores with further trainings of one run, each of whose answers scores so much more or less."""
    of_run = TABLE.filter(pl.col("method") == ROW[0], pl.col("model") == ROW[1], pl.col("recipe") == ROW[2])
    further = [
        of_run.with_columns(pl.lit(43 + number, pl.Int32).alias("seed"), pl.col("score") + change)
        for number, change in enumerate(changes)
    ]
    return pl.concat([TABLE, *further])


def test_a_run_with_several_trainings_scores_their_mean_and_says_how_far_each_is_from_it():
    scores = by_prompt(with_other_seeds(0.3, -0.6), 50)
    cell, other = (*ROW, "es"), ("lora", "bloom-1b1", "multilingual", "es")
    assert scores.values(cell)[:50] == pytest.approx(WHOLE.values(cell) - 0.1)
    assert scores.values(cell)[50:] == pytest.approx([50 * 0.1, 50 * 0.4, 50 * -0.5])
    assert scores.values(other)[50:].tolist() == [0, 0, 0]
    assert (scores.trainings[cell], scores.trainings[other], scores.answers[cell]) == (3, 1, 150)
    assert scores.prompts == 50


def test_a_cell_of_fewer_trainings_than_its_run_is_left_out():
    table = with_other_seeds(0.3).filter(~((pl.col("seed") == 43) & (pl.col("lang") == "es")))
    scores = by_prompt(table, 50)
    assert scores.values((*ROW, "es")) is None
    assert scores.values((*ROW, "fr")) is not None


STUDENTS_T = {  # quantiles by number of trainings, which is one more than the degrees of freedom
    2: lambda share: math.tan(math.pi * (share - 0.5)),
    3: lambda share: (2 * share - 1) / math.sqrt(2 * share * (1 - share)),
}


@pytest.mark.parametrize("trainings", STUDENTS_T)
def test_the_error_of_a_mean_over_trainings_is_students_t(trainings):
    deviations = np.random.default_rng(trainings).normal(size=trainings)
    deviations -= deviations.mean()
    drawn = draw_resamples(50, 100_000, 1, [trainings])
    errors = drawn.sums(np.concatenate([np.zeros(50), deviations]))
    standard_error = deviations.std(ddof=1) / trainings**0.5
    shares = [0.025, 0.25, 0.5, 0.75, 0.975]
    below = [(errors < STUDENTS_T[trainings](share) * standard_error).mean() for share in shares]
    assert below == pytest.approx(shares, abs=0.005)


def test_a_mean_over_languages_errs_as_much_as_the_trainings_means_over_them_differ():
    drawn = draw_resamples(50, 100, 1, [3, 3])
    alike, opposite = np.zeros((2, 56)), np.zeros((2, 56))
    alike[:, 50:53] = [1, 0, -1]
    opposite[:, 50:53] = [[1, 0, -1], [-1, 0, 1]]
    assert (drawn.sums(alike.mean(0)) == drawn.sums(alike[0])).all()
    assert (drawn.sums(opposite.mean(0)) == 0).all()


def test_the_errors_of_two_runs_add_up_with_satterthwaites_degrees_of_freedom():
    values = np.zeros(56)
    values[50:53], values[53:56] = [1, 0, -1], [-1, 0, 1]
    errors = draw_resamples(50, 200_000, 1, [3, 3]).sums(values)
    four_degrees = 2.776  # the 97.5th percentile of Student's t
    assert np.quantile(errors, 0.975) == pytest.approx(four_degrees * (2 / 3) ** 0.5, rel=0.02)


def test_prompts_are_drawn_alike_with_and_without_repeats():
    assert (draw_resamples(50, 100, 1).counts == draw_resamples(50, 100, 1, [3]).counts).all()
