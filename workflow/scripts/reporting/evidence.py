"""What resamples say for and against a statement: p-values, and their corrections for many looks at the same scores.

A p-value is that of the interval (bootstrap.py): the smallest tail at which the interval leaves the bound out. It is
one-sided, so a verdict at 95 % needs 0.025. Resamples of prompts that all give the same value do not vary, whatever
other prompts would have given, so resamples alone would be surest where there is least to go by: at the floor, where
nearly every answer scores 0. A prompt is informative if its value is not the most common one. With k informative
prompts, not even a sign test could get below 0.5^k, and neither does a p-value here; where that is above the level,
there is no interval (with 95 %: under 6 informative prompts). benchmarks/bench_claims.py measures the coverage.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from reporting.bootstrap import Resamples, confidence_interval

if TYPE_CHECKING:
    import numpy as np

ROUNDING = 1e-9  # sums of thirds are not exact
DECIMALS = 9
WITHIN = {  # by side of a range: whether values (a number or an array) are on the right side of its bound
    "above": lambda values, bound: values > bound,
    "at_least": lambda values, bound: values >= bound,
    "below": lambda values, bound: values < bound,
    "at_most": lambda values, bound: values <= bound,
}


class Evidence(NamedTuple):
    """An effect, its interval (None where too few prompts are informative), and the p-values of two statements: that
    the effect is in the range that a claim expects, and that it is not."""

    effect: float
    low: float | None
    high: float | None
    holds: float
    fails: float


def no_evidence(effect: float) -> Evidence:
    """What is known of an effect of which nothing can be told."""
    return Evidence(effect, None, None, 1.0, 1.0)


def informative_prompts(values: "np.ndarray") -> int:
    """How many prompts have another value than the most common one."""
    import numpy as np

    _, counts = np.unique(np.round(values, DECIMALS), return_counts=True)
    return len(values) - int(counts.max())


def varies(informative: int, level: float) -> bool:
    """Whether there are enough informative prompts for a verdict at `level`."""
    return 0.5**informative <= (1 - level) / 2


def tail_probability(beyond: "np.ndarray", prompts: int) -> float:
    """The one-sided p-value where `beyond` says which resamples contradict a statement.

    It undoes what `confidence_interval` does to the percentiles: Student's distribution function by Wallace (1959),
    whose error is under 0.0005 from 5 degrees of freedom.
    """
    from math import copysign, log1p, sqrt

    freedom = max(prompts - 1, 1)
    quantile = NormalDist().inv_cdf((int(beyond.sum()) + 1) / (len(beyond) + 2))
    normal = (8 * freedom + 1) / (8 * freedom + 3) * sqrt(freedom * log1p(quantile**2 / freedom))
    return NormalDist().cdf(copysign(normal, quantile))


def lifted(values: "np.ndarray", points: float, prompts: int) -> "np.ndarray":
    """Values of shape (..., prompts or more) as they would be with a sum over the prompts that is so much higher."""
    more = values.copy()
    more[..., :prompts] += points / prompts
    return more


def weigh(values: "np.ndarray", drawn: Resamples, level: float, expect: Mapping[str, float]) -> Evidence:
    """The evidence on a sum of values by prompt, of shape (prompts + repeated trainings,), as in
    PromptScores."""
    import numpy as np

    informative = informative_prompts(values[: drawn.prompts])
    effect = float(values[: drawn.prompts].sum())
    if not varies(informative, level):
        return no_evidence(effect)
    estimates = np.round(drawn.sums(values), DECIMALS)
    within = [WITHIN[side](estimates, bound) for side, bound in expect.items()]
    least = 0.5**informative
    holds = max(least, *(tail_probability(~each, drawn.prompts) for each in within))
    fails = max(least, min(tail_probability(each, drawn.prompts) for each in within))
    return Evidence(effect, *confidence_interval(estimates, level, drawn.prompts), holds, fails)


def count_cases(values: "np.ndarray", drawn: Resamples, level: float, expect: Mapping[str, float]) -> Evidence:
    """The evidence on the share of cases, in percent, that are not behind; `values` has a row for
    each, as for `weigh`.

    A count does not change smoothly, so its resampled values need not surround it. Its interval runs from the cases
    that are certainly not behind to all but those that are certainly behind, by closed testing.
    """
    import numpy as np

    each = [weigh(row, drawn, level, {"at_least": 0.0}) for row in values]
    cases = len(each)
    known = any(case.low is not None for case in each)
    ahead, behind = (at_least([getattr(case, side) for case in each]) for side in ("holds", "fails"))
    shares = 100 * np.arange(cases + 1) / cases
    within = np.array([WITHIN[side](shares, bound) for side, bound in expect.items()])
    tail = (1 - level) / 2
    return Evidence(
        effect=100 * sum(case.effect > -ROUNDING for case in each) / cases,
        low=100 * int((ahead <= tail).sum()) / cases if known else None,
        high=100 * (1 - int((behind <= tail).sum()) / cases) if known else None,
        holds=max(_p_of_counts(side, ahead, behind) for side in within),
        fails=min(_p_of_counts(~side, ahead, behind) for side in within),
    )


def _p_of_counts(within: "np.ndarray", ahead: "np.ndarray", behind: "np.ndarray") -> float:
    """The p-value of the statement that the number of cases not behind, from 0 to all, is one of those `within`, which
    are all up to some number, or all from some number on."""
    if within.all() or not within.any():
        return 0.0 if within.all() else 1.0
    return float(ahead[within.argmax() - 1] if within[-1] else behind[within[::-1].argmax() - 1])


def at_least(probabilities: Sequence[float]) -> "np.ndarray":
    """The p-values of the statements that at least 1, 2, ... of some hypotheses are false.

    Closed testing with Simes' test (Goeman and Solari, 2011): at least k of m are false if each m - k + 1 or more of
    them, taken together, are rejected; of each number, the largest p-values are the hardest. It holds where p-values
    that depend on each other do so positively, as cases that share their prompts do.
    """
    import numpy as np

    ordered = np.sort(probabilities)
    together = [
        (size / np.arange(1, size + 1) * ordered[len(ordered) - size :]).min() for size in range(len(ordered), 0, -1)
    ]
    return np.minimum(np.maximum.accumulate(together), 1)


def holm(probabilities: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in their order (Holm, 1979)."""
    import numpy as np

    values = np.asarray(probabilities, float)
    order = values.argsort()
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1)
    return corrected.tolist()


def false_discovery(probabilities: Iterable[float]) -> list[float]:
    """The false-discovery rate at which each p-value would count as a discovery (Benjamini and Hochberg, 1995)."""
    import numpy as np

    values = np.array(list(probabilities), float)
    order = values.argsort()[::-1]
    rates = np.empty_like(values)
    rates[order] = np.minimum(np.minimum.accumulate(values[order] * len(values) / np.arange(len(values), 0, -1)), 1)
    return rates.tolist()
