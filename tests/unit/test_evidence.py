"""p-values from resamples, and their corrections for many looks.

Numbers of Holm, Benjamini and Hochberg, and Student's distribution are those of statsmodels 0.15 and scipy 1.17.
"""

import itertools

import numpy as np
import pytest

from reporting.bootstrap import confidence_interval, draw_resamples
from reporting.evidence import (
    at_least,
    count_cases,
    false_discovery,
    holm,
    informative_prompts,
    tail_probability,
    varies,
    weigh,
)

PROMPTS = 50
DRAWN = draw_resamples(PROMPTS, 2000, 42)
ABOVE = {"above": 0.0}
PROBABILITIES = [0.01, 0.04, 0.03, 0.005, 0.9]


def some(number, value=1.0):
    """Values by prompt of which `number` are not 0."""
    return np.array([value] * number + [0.0] * (PROMPTS - number))


def test_a_prompt_is_informative_if_its_value_is_not_the_most_common():
    assert [informative_prompts(some(number)) for number in (0, 1, 20, 30, 50)] == [0, 1, 20, 20, 0]
    assert informative_prompts(np.array([1 / 3 + 1 / 3 + 1 / 3, 1.0, 1.0])) == 0, "sums of thirds are not exact"


def test_six_informative_prompts_are_needed_for_95_percent():
    assert [varies(number, 0.95) for number in (0, 5, 6)] == [False, False, True]
    assert [varies(number, 0.99) for number in (7, 8)] == [False, True]


@pytest.mark.parametrize("values", [some(0), some(50), some(50, -3.0), some(5), some(5, -3.0), 1 + some(5)])
def test_values_that_hardly_vary_say_nothing(values):
    for expect in (ABOVE, {"at_least": 0.0}, {"below": 0.0}, {"above": -4.5, "below": 4.5}):
        found = weigh(values, DRAWN, 0.95, expect)
        assert found[1:] == (None, None, 1, 1)
        assert found.effect == values.sum()


def test_few_informative_prompts_say_no_more_than_a_sign_test():
    assert weigh(some(6), DRAWN, 0.95, ABOVE).holds == pytest.approx(1 / 64)
    assert weigh(some(8), DRAWN, 0.95, ABOVE).holds == pytest.approx(1 / 256)
    assert weigh(some(8), DRAWN, 0.95, ABOVE).fails > 0.99


def test_one_prompt_says_nothing():
    assert weigh(np.array([3.0]), draw_resamples(1, 100, 1), 0.95, ABOVE)[1:] == (None, None, 1, 1)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_p_values_say_the_same_as_intervals(level):
    values = np.random.default_rng(1).normal(0.3, 1, (300, PROMPTS))
    tail = (1 - level) / 2
    agree = []
    for row in values:
        low, _ = confidence_interval(DRAWN.sums(row), level, PROMPTS)
        agree.append((low > 0) == (weigh(row, DRAWN, level, ABOVE).holds <= tail))
    assert np.mean(agree) >= 0.99


def test_a_tail_is_as_wide_as_students_t():
    for share, expected in ((0.0222, 0.0249), (0.5, 0.5), (0.9778, 0.9751)):
        beyond = np.arange(10_000) < share * 10_000
        assert tail_probability(beyond, 50) == pytest.approx(expected, abs=3e-4)


def test_a_range_holds_only_if_both_of_its_ends_do():
    values = np.random.default_rng(2).normal(0, 0.3, PROMPTS)
    both = weigh(values, DRAWN, 0.95, {"above": -4.5, "below": 4.5})
    ends = [weigh(values, DRAWN, 0.95, {side: bound}) for side, bound in (("above", -4.5), ("below", 4.5))]
    assert both.holds == max(end.holds for end in ends)
    assert both.fails == min(end.fails for end in ends)


def test_holm_and_false_discovery_rates_are_those_of_statsmodels():
    assert holm(PROBABILITIES) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.9])
    assert false_discovery(PROBABILITIES) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.9])
    assert holm([0.7]) == false_discovery([0.7]) == [0.7]


def test_closed_testing_rejects_what_trying_every_combination_does():
    def simes(values):
        return min(len(values) / rank * value for rank, value in enumerate(sorted(values), 1))

    generator = np.random.default_rng(3)
    for _ in range(50):
        values = generator.beta(0.3, 1, 6)
        combinations = [each for size in range(1, 7) for each in itertools.combinations(range(6), size)]
        p_of = {each: simes(values[list(each)]) for each in combinations}
        expected = [max(p_of[each] for each in combinations if len(each) >= 7 - number) for number in range(1, 7)]
        assert at_least(values) == pytest.approx(np.minimum(expected, 1))


def test_a_count_of_cases_has_an_interval_from_the_sure_to_the_possible():
    clear, level = np.random.default_rng(4).normal(1, 0.5, (2, PROMPTS)), np.tile([1.0, -1.0], PROMPTS // 2)
    found = count_cases(np.array([*clear, level, -clear[0]]), DRAWN, 0.95, {"at_least": 50.0})
    assert (found.low, found.high) == (50, 75)
    assert found.holds <= 0.025 < found.fails
    assert count_cases(np.array([*clear, -clear[0]]), DRAWN, 0.95, {"below": 50.0}).fails <= 0.025
    assert count_cases(np.zeros((4, PROMPTS)), DRAWN, 0.95, {"at_least": 50.0})[:5] == (100, None, None, 1, 1)
