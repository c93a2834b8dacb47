"""How far ratings of the same responses agree.

`counts` are integers of shape (responses, ratings): how often each response was given each rating, the lowest first.
Responses with fewer than two ratings may be among them; they contribute nothing. An undefined number is None.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


SAMPLES = 1000
LEAST_DEFINED = 0.95  # share of the samples that must have an alpha for the interval to mean anything


def equal_share(counts: "np.ndarray") -> float | None:
    """Share of equal pairs among all pairs of ratings of the same response; None if there is no pair."""
    totals = counts.sum(axis=1)
    pairs = (totals * (totals - 1)).sum()
    return float((counts * (counts - 1)).sum() / pairs) if pairs else None


def alpha(counts: "np.ndarray") -> float | None:
    """Krippendorff's alpha for ordinal ratings (Krippendorff, 2011); None if all comparable ratings are equal."""
    import krippendorff

    comparable = counts[counts.sum(axis=1) > 1]
    if (comparable.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=comparable, level_of_measurement="ordinal"))


def alpha_interval(counts: "np.ndarray", seed: int = 0) -> tuple[float, float] | None:
    """95 % bootstrap confidence interval of alpha: the percentiles over samples of the responses with replacement.

    Samples whose ratings are all equal have no alpha; None if more than 5 % of them are such.
    """
    import numpy as np

    patterns, frequencies = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    if not len(patterns):
        return None
    total = frequencies.sum()
    drawn = np.random.default_rng(seed).multinomial(total, frequencies / total, size=SAMPLES)
    alphas = [alpha(np.repeat(patterns, times, axis=0)) for times in drawn]
    defined = [value for value in alphas if value is not None]
    if len(defined) < LEAST_DEFINED * SAMPLES:
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def kappa(table: "np.ndarray") -> float | None:
    """Cohen's kappa with quadratic weights (Cohen, 1968), from the confusion matrix of two judges.

    `table` has the shape (ratings, ratings). None if all ratings are equal, or there are none.
    """
    import numpy as np

    places = np.arange(len(table))
    weights = (places[:, None] - places) ** 2
    by_chance = (weights * np.outer(table.sum(axis=1), table.sum(axis=0))).sum()
    return float(1 - table.sum() * (weights * table).sum() / by_chance) if by_chance else None
