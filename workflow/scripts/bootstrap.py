"""What fifty prompts leave uncertain: intervals by resampling prompts, for the figures and the claims.

The prompts are a sample of what could have been asked, and they are the same in every language. So one draw takes the
same prompts in every run and every language, and a difference between two runs is paired by prompt (as in
Arena-Hard-Auto's and the NLP literature's bootstrap; Koehn, 2004). A draw is of one prompt fewer than there are, and is
scaled to all: drawing as many makes intervals too narrow by sqrt((n - 1) / n), which shows with fifty (Rao and Wu,
1988; Hesterberg, 2015). Intervals are percentiles of the draws.

Prompts are told apart by their place in a language's file and not by their id, which in published prompts may differ
between languages that agree otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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

    A cell is left out of the matrices unless it answers all `prompts` prompts of its language once.
    """
    import numpy as np
    import polars as pl

    cell = ["method", "model", "recipe", "lang"]
    places = scores.group_by("lang", maintain_order=True).agg(pl.col("id").unique(maintain_order=True))
    places = places.with_columns(place=pl.int_ranges(pl.col("id").list.len())).explode("id", "place")
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


def interval(estimates: Iterable[float], level: float) -> tuple[float, float]:
    """The middle `level` of the estimates."""
    import numpy as np

    low, high = np.quantile(np.asarray(estimates), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
