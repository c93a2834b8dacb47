"""How far ratings of the same responses agree: two numbers, and intervals that resample the prompts.

`counts` are whole numbers of shape (responses, ratings): how often each response was given each rating, the lowest
first. Responses with fewer than two ratings may be among them; they contribute nothing. An undefined number is None.

Alpha and kappa are functions of a matrix of shape (ratings, ratings) that is a sum over responses: coincidences of
ratings for alpha, the confusion matrix of two judges for kappa. So a resample of the prompts is a weighted sum of their
matrices, and all resamples are one product. A prompt is taken with all responses to it, in every run and language:
these are alike, and resamples of the responses would take them for independent, and their intervals are far too narrow
(benchmarks/bench_agreement.py measures it).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from reporting.bootstrap import confidence_interval, draw_resamples

if TYPE_CHECKING:
    import numpy as np


RESAMPLES = 1000
LEVEL = 0.95
LEAST_PROMPTS = 10  # with fewer, an interval says more than the prompts can
LEAST_DEFINED = 0.95  # share of the resamples that must have a value for the interval to mean anything

Measure = Callable[["np.ndarray"], "np.ndarray"]  # matrices (ratings, ratings, ...) -> values (...), nan if undefined


def equal_share(counts: "np.ndarray") -> float | None:
    """Share of equal pairs among all pairs of ratings of the same response; None if there is no pair."""
    totals = counts.sum(axis=1)
    pairs = (totals * (totals - 1)).sum()
    return float((counts * (counts - 1)).sum() / pairs) if pairs else None


def coincidences(counts: "np.ndarray") -> "np.ndarray":
    """How often two ratings were given to the same response, in either order, of shape (responses, ratings, ratings).
    The pairs of a response with m ratings count 1 / (m - 1) each, so that each of its ratings counts once."""
    import numpy as np

    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1], dtype=int)
    return pairs / np.maximum(counts.sum(axis=1) - 1, 1)[:, None, None]


def alphas(coincidence: "np.ndarray") -> "np.ndarray":
    """Krippendorff's alpha for ordinal ratings (Krippendorff, 2011), nan where all ratings are equal."""
    given = coincidence.sum(axis=1)
    below = given.cumsum(axis=0) - given / 2
    distance = (below[:, None] - below) ** 2
    observed = (coincidence * distance).sum(axis=(0, 1))
    by_chance = (given[:, None] * given * distance).sum(axis=(0, 1))
    return 1 - _ratio((given.sum(axis=0) - 1) * observed, by_chance)


def kappas(confusion: "np.ndarray") -> "np.ndarray":
    """Cohen's kappa with quadratic weights (Cohen, 1968), nan where all ratings are equal."""
    import numpy as np

    places = np.arange(len(confusion))
    distance = ((places[:, None] - places) ** 2).reshape(len(places), len(places), *[1] * (confusion.ndim - 2))
    by_chance = (distance * confusion.sum(axis=1)[:, None] * confusion.sum(axis=0)).sum(axis=(0, 1))
    return 1 - _ratio(confusion.sum(axis=(0, 1)) * (distance * confusion).sum(axis=(0, 1)), by_chance)


def _ratio(observed: "np.ndarray", by_chance: "np.ndarray") -> "np.ndarray":
    """Their quotient, nan where nothing differs by chance."""
    import numpy as np

    return np.divide(observed, by_chance, out=np.full_like(by_chance, np.nan, dtype=float), where=by_chance != 0)


def value(matrices: "np.ndarray", measure: Measure) -> float | None:
    """A measure of all responses together, from the matrix of each, of shape (responses, ratings, ratings)."""
    import numpy as np

    found = float(measure(matrices.sum(axis=0)))
    return None if np.isnan(found) else found


def interval(
    matrices: "np.ndarray", prompts: "np.ndarray", measure: Measure, seed: int = 0
) -> tuple[float, float] | None:
    """95 % bootstrap confidence interval of a measure, from the matrix of each response and the number of its prompt.

    None if the responses with something to compare are to fewer than LEAST_PROMPTS prompts, or if more than 5 % of the
    resamples have no value because all their ratings are equal.
    """
    import numpy as np

    compared = matrices.any(axis=(1, 2))
    number, place = np.unique(prompts[compared], return_inverse=True)
    if len(number) < LEAST_PROMPTS:
        return None
    by_prompt = np.zeros((len(number), *matrices.shape[1:]))
    np.add.at(by_prompt, place, matrices[compared])
    found = measure(draw_resamples(len(number), RESAMPLES, seed).sums(np.moveaxis(by_prompt, 0, -1)))
    defined = found[~np.isnan(found)]
    return confidence_interval(defined, LEVEL, len(number)) if len(defined) >= LEAST_DEFINED * RESAMPLES else None
