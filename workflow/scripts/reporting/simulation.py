"""Made-up scores with known effects, to learn what a study could tell: for `make plan`, benchmarks and tests.

What is expected of a cell are a mean rating between 1 and 3, and the probability that an answer is in the right
language. Ratings are `1 + Binomial(2, (rating - 1) / 2)`, so these are their exact means over all prompts that could
have been asked. They are drawn through a normal variable with one part that all cells share for a prompt (its
difficulty) and one of the answer's own, so that runs are correlated by prompt, as real ones are.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from reporting.bootstrap import Cell, PromptScores, arrange

if TYPE_CHECKING:
    import numpy as np

NORMAL = NormalDist()
SHARED = 0.5  # share of the variance that is due to the prompt


class Expected(NamedTuple):
    """A cell's mean rating and share of answers in the right language, over all prompts that could be asked."""

    rating: float
    match: float


def simulate(planned: Mapping[Cell, Sequence[Expected]], prompts: int, seed: int) -> PromptScores:
    """Scores of some cells, each with what is expected of its trainings; all answer the same prompts."""
    import numpy as np

    trainings = {cell: len(plans) for cell, plans in planned.items()}
    ratings, matches = drawn([plan for plans in planned.values() for plan in plans], prompts, seed)
    values = np.array([ratings * matches, ratings * (1 - matches)])
    by_cell = np.split(values, np.cumsum(list(trainings.values()))[:-1], axis=1)
    answers = {cell: number * prompts for cell, number in trainings.items()}
    return arrange(dict(zip(planned, by_cell, strict=True)), prompts, answers, dict.fromkeys(planned, 0), trainings)


def drawn(planned: Sequence[Expected], prompts: int, seed: int) -> "tuple[np.ndarray, np.ndarray]":
    """Ratings (1 to 3) and matches (0 or 1), both of shape (len(planned), prompts)."""
    import numpy as np

    random = np.random.default_rng(seed)
    rating, match = np.array(planned).T[:, :, None]
    assert ((rating >= 1) & (rating <= 3)).all(), "a plan that no ratings can follow"
    own = random.normal(size=(len(planned), prompts))
    difficulty = random.normal(size=prompts)
    normal = math.sqrt(SHARED) * difficulty + math.sqrt(1 - SHARED) * own
    good = (rating - 1) / 2
    ratings = 1.0 + (normal > _quantiles((1 - good) ** 2)) + (normal > _quantiles(1 - good**2))
    return ratings, (random.random(size=own.shape) < match).astype(float)


def _quantiles(probabilities: "np.ndarray") -> "np.ndarray":
    """Quantiles of the normal distribution; infinite at 0 and 1."""
    import numpy as np

    ends = {0.0: -math.inf, 1.0: math.inf}
    return np.vectorize(lambda share: ends[share] if share in ends else NORMAL.inv_cdf(share))(probabilities)
