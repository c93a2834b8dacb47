"""Bootstrap confidence intervals over prompts, for the figures, the tables and the claims.

The prompts are a sample of those that could have been asked, and they are the same in every language. So each resample
takes the same prompts in every run and language, and a difference between two runs is paired by prompt (Koehn, 2004).
With few prompts, plain percentile intervals are too narrow for two reasons, both corrected as in Hesterberg (2015): a
resample has one prompt fewer than there are and is scaled up, because resampling n of n loses a factor of
sqrt((n - 1) / n); and the percentiles are moved outwards by as much as Student's t is wider than the normal
distribution. test_claims.py measures the coverage.

Prompts are identified by their position in a language's file, not by their id, which in published prompts may differ
between languages that otherwise agree. Score tables keep that order (score.py, collect_scores.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


Cell = tuple[str, str, str, str]  # method, model, recipe, language
MEASURES = ("score", "lost")  # rating x match; and what language identification deducts from the rating


@dataclass(frozen=True)
class PromptScores:
    """One judge's scores by prompt, for the cells that have an answer to every prompt.

    `score` and `lost` have the shape (cells, prompts), with rows as in `rows`; a missing rating counts as 0 in both.
    `answers` and `unrated` count the answers of every cell, and those without a rating.
    """

    rows: dict[Cell, int]
    score: "np.ndarray"
    lost: "np.ndarray"
    answers: dict[Cell, int]
    unrated: dict[Cell, int]

    @property
    def prompts(self) -> int:
        return self.score.shape[1]

    def values(self, cell: Cell, measure: str = "score") -> "np.ndarray | None":
        """A cell's values of shape (prompts,), or None if it lacks an answer."""
        return getattr(self, measure)[self.rows[cell]] if cell in self.rows else None


def by_prompt(scores: "pl.DataFrame", prompts: int) -> PromptScores:
    """Arrange one judge's score table (method, model, recipe, lang, id, rating, score) by prompt.

    A cell is left out of the matrices unless it answers each of the `prompts` prompts of its language once. The order
    of the prompts is that of the language's first cell with `prompts` answers.
    """
    import numpy as np
    import polars as pl

    cell = ["method", "model", "recipe", "lang"]
    places = (
        scores.group_by(cell, maintain_order=True)
        .agg(pl.col("id"), place=pl.int_range(pl.len()))
        .filter(pl.col("id").list.len() == prompts)
        .unique("lang", keep="first", maintain_order=True)
        .select("lang", "id", "place")
        .explode("id", "place")
    )
    placed = scores.join(places, on=["lang", "id"], how="left", maintain_order="left").with_columns(
        score=pl.col("score").fill_null(0.0), lost=(pl.col("rating") - pl.col("score")).fill_null(0.0)
    )
    rows: dict[Cell, int] = {}
    answers: dict[Cell, int] = {}
    unrated: dict[Cell, int] = {}
    score, lost = [], []
    for key, table in placed.sort(*cell, "place").group_by(*cell, maintain_order=True):
        answers[key], unrated[key] = len(table), table["rating"].null_count()
        if table["place"].to_list() == list(range(prompts)):
            rows[key] = len(rows)
            score.append(table["score"].to_numpy())
            lost.append(table["lost"].to_numpy())
    empty = np.zeros((0, prompts))
    return PromptScores(rows, np.array(score) if score else empty, np.array(lost) if lost else empty, answers, unrated)


def draw_resamples(prompts: int, resamples: int, seed: int) -> "np.ndarray":
    """How often each prompt occurs in each resample, of shape (prompts, resamples). These are whole numbers, so that
    sums of whole ratings are exact whatever the number of threads."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(max(prompts - 1, 1), np.full(prompts, 1 / prompts), size=resamples)
    return drawn.T.astype(float)


def resampled_sums(values: "np.ndarray", drawn: "np.ndarray") -> "np.ndarray":
    """Sum over the prompts of each resample, scaled to the number of prompts: (..., prompts) -> (..., resamples)."""
    prompts = drawn.shape[0]
    return values @ drawn * (prompts / max(prompts - 1, 1))


def confidence_interval(estimates: Iterable[float], level: float, prompts: int) -> tuple[float, float]:
    """The confidence interval at `level`, from the estimates of all resamples of `prompts` prompts."""
    import numpy as np

    tail = NormalDist().cdf(-student_quantile((1 + level) / 2, max(prompts - 1, 1)))
    low, high = np.quantile(np.asarray(estimates), [tail, 1 - tail])
    return float(low), float(high)


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t by the Cornish-Fisher expansion; error below 0.004 at 95 % from 9 degrees of freedom."""
    z = NormalDist().inv_cdf(probability)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
