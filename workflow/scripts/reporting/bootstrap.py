"""What fifty prompts leave uncertain: intervals by resampling prompts, for the figures and the claims.

The prompts are a sample of what could have been asked, and they are the same in every language. So one draw takes the
same prompts in every run and every language, and a difference between two runs is paired by prompt (Koehn, 2004). Plain
percentiles of such draws are too narrow for few prompts, for two reasons, each of which is mended as Hesterberg (2015)
does: a draw is of one prompt fewer than there are, scaled to all, as drawing n of n loses a factor of
sqrt((n - 1) / n); and the percentiles lie as far out as Student's t is wider than the normal. test_claims.py has the
coverage.

Prompts are told apart by their place in a language's file and not by their id, which in published prompts may differ
between languages that agree otherwise. Score tables keep that order (score.py, collect_scores.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


Cell = tuple[str, str, str, str]  # method, model, recipe, language
MEASURES = ("score", "lost")  # rating x match; and what language identification takes off the rating


@dataclass(frozen=True)
class PromptScores:
    """One judge's scores by prompt, of the cells that have an answer to every prompt.

    `score` and `lost` are of shape (cells, prompts), rows as in `rows`; a missing rating counts 0 in both. `answers`
    and `unrated` count every cell's answers, and those without a rating.
    """

    rows: dict[Cell, int]
    score: "np.ndarray"
    lost: "np.ndarray"
    answers: dict[Cell, int]
    unrated: dict[Cell, int]

    @property
    def prompts(self) -> int:
        return self.score.shape[1]

    def of(self, cell: Cell, measure: str = "score") -> "np.ndarray | None":
        """The cell's values by prompt, or None where it lacks an answer."""
        return getattr(self, measure)[self.rows[cell]] if cell in self.rows else None


def by_prompt(scores: "pl.DataFrame", prompts: int) -> PromptScores:
    """Set one judge's score table (method, model, recipe, lang, id, rating, score) out by prompt.

    A cell is left out of the matrices unless it answers all `prompts` prompts of its language once. A prompt's place is
    that of its row in the language's first cell that has so many: one that lacks an answer does not know all places.
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


def draw(prompts: int, resamples: int, seed: int) -> "np.ndarray":
    """How often each prompt is in each draw: whole numbers of shape (prompts, resamples), so that sums of whole ratings
    are exact whatever the number of threads."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(max(prompts - 1, 1), np.full(prompts, 1 / prompts), size=resamples)
    return drawn.T.astype(float)


def redrawn(values: "np.ndarray", drawn: "np.ndarray") -> "np.ndarray":
    """Sums over the prompts in every draw, scaled to the number of prompts: (..., prompts) -> (..., resamples)."""
    prompts = drawn.shape[0]
    return values @ drawn * (prompts / max(prompts - 1, 1))


def interval(estimates: Iterable[float], level: float, prompts: int) -> tuple[float, float]:
    """The interval of a level, from the estimates of all draws of so many prompts."""
    import numpy as np

    tail = NormalDist().cdf(-student((1 + level) / 2, max(prompts - 1, 1)))
    low, high = np.quantile(np.asarray(estimates), [tail, 1 - tail])
    return float(low), float(high)


def student(probability: float, freedom: int) -> float:
    """Quantile of Student's t, by the expansion of Cornish and Fisher: to 0.004 at 95 % from 9 degrees of freedom."""
    z = NormalDist().inv_cdf(probability)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
