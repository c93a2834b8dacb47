"""How far ratings of the same responses agree.

`counts` are integers of shape (responses, values): how often each response was given each rating, the lowest first.
A response with fewer than two ratings says nothing of agreement and may stand in them. Where a number has no
meaning it is None.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


SAMPLES = 1000
LEAST_TOLD = 0.95  # of the samples, that must have an alpha for their spread to mean anything


def equal_share(counts: "np.ndarray") -> float | None:
    """Share of the pairs of ratings of one response that are equal; None without such a pair."""
    totals = counts.sum(axis=1)
    pairs = (totals * (totals - 1)).sum()
    return float((counts * (counts - 1)).sum() / pairs) if pairs else None


def alpha(counts: "np.ndarray") -> float | None:
    """Krippendorff's alpha for ordinal ratings (Krippendorff, 2011); None when all that can be compared are equal."""
    import krippendorff

    compared = counts[counts.sum(axis=1) > 1]
    if (compared.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=compared, level_of_measurement="ordinal"))


def alpha_interval(counts: "np.ndarray", seed: int = 0) -> tuple[float, float] | None:
    """What 95 % of the alphas of samples lie between; a sample is as many of the responses, drawn with replacement.

    Samples whose ratings are all equal have no alpha; None when these are many.
    """
    import numpy as np

    patterns, frequencies = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    if not len(patterns):
        return None
    total = frequencies.sum()
    drawn = np.random.default_rng(seed).multinomial(total, frequencies / total, size=SAMPLES)
    alphas = [alpha(np.repeat(patterns, times, axis=0)) for times in drawn]
    told = [value for value in alphas if value is not None]
    if len(told) < LEAST_TOLD * SAMPLES:
        return None
    low, high = np.percentile(told, [2.5, 97.5])
    return float(low), float(high)


def kappa(table: "np.ndarray") -> float | None:
    """Cohen's kappa with quadratic weights (Cohen, 1968) of how often each rating of one judge met each of another's.

    `table` has the shape (values, values). None when all ratings are equal, or there is none.
    """
    import numpy as np

    places = np.arange(len(table))
    weights = (places[:, None] - places) ** 2
    by_chance = (weights * np.outer(table.sum(axis=1), table.sum(axis=0))).sum()
    return float(1 - table.sum() * (weights * table).sum() / by_chance) if by_chance else None
