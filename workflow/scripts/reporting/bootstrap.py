"""Bootstrap confidence intervals, over prompts and over seeds, for the figures, the tables and the claims.

The prompts are a sample of those that could have been asked, and they are the same in every language. So each resample
takes the same prompts in every run and language, and a difference between two runs is paired by prompt (Koehn, 2004).
With few prompts, plain percentile intervals are too narrow for two reasons, both corrected as in Hesterberg (2015): a
resample has one prompt fewer than there are and is scaled up, because resampling n of n loses a factor of
sqrt((n - 1) / n); and the percentiles are moved outwards by as much as Student's t is wider than the normal
distribution. test_claims.py measures the coverage.

Trainings are too few to resample: three give only ten samples. Where a run has several, its score is their mean, and an
error of that mean is added to each resample: Student's t, times the standard error of the trainings' scores. The errors
of different runs are independent; for a difference or a mean, the degrees of freedom are Satterthwaite's (1946). All
trainings answer the same prompts, and how well a prompt suits a training is part of the variance over prompts and of
that over trainings, so that these intervals are somewhat too wide (benchmarks/bench_claims.py).

Prompts are identified by their position in a language's file, not by their id, which in published prompts may differ
between languages that otherwise agree. Score tables keep that order (score.py, collect_scores.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import add
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


Cell = tuple[str, str, str, str]  # method, model, recipe, language
TRAININGS = 1  # the stream of random numbers for errors of trainings, apart from that for prompts
MEASURES = ("score", "lost")  # rating x match; and what language identification deducts from the rating


@dataclass(frozen=True)
class Resamples:
    """Other samples of the prompts, and other trainings where runs are repeated.

    `counts` has the shape (prompts, resamples): how often each prompt occurs in each resample. These are whole numbers,
    so that sums of whole ratings are exact whatever the number of threads. `repeated` has the number of trainings of
    each repeated run.
    """

    counts: "np.ndarray"
    seed: int
    repeated: tuple[int, ...] = ()

    @property
    def prompts(self) -> int:
        return self.counts.shape[0]

    def sums(self, values: "np.ndarray") -> "np.ndarray":
        """Sum over the prompts of each resample, scaled to the number of prompts, with errors for the trainings:
        (..., prompts) or, as in PromptScores, (..., prompts + repeated trainings) -> (..., resamples)."""
        import numpy as np

        found = values[..., : self.prompts] @ self.counts * (self.prompts / max(self.prompts - 1, 1))
        deviations = values[..., self.prompts :]
        return found + np.apply_along_axis(self._errors, -1, deviations) if deviations.size else found

    def _errors(self, deviations: "np.ndarray") -> "np.ndarray":
        """Errors of a sum, from the deviations of the trainings of each run: (repeated trainings,) -> (resamples,)."""
        import numpy as np

        runs = [run for run in np.split(deviations, np.cumsum(self.repeated)[:-1]) if run.any()]
        resamples = self.counts.shape[1]
        if not runs:
            return np.zeros(resamples)
        freedom = np.array([len(run) - 1 for run in runs])
        variances = np.array([(run**2).sum() / len(run) for run in runs]) / freedom
        generator = np.random.default_rng([self.seed, TRAININGS])
        errors = generator.standard_t(variances.sum() ** 2 / (variances**2 / freedom).sum(), resamples)
        return np.sqrt(variances.sum()) * errors


@dataclass(frozen=True)
class PromptScores:
    """One judge's scores by prompt, for the cells that have an answer to every prompt.

    `score` and `lost` have the shape (cells, prompts + repeated trainings), with rows as in `rows`; a missing rating
    counts as 0 in both. The first columns are means over the trainings of a cell. A run with several has a further
    column for each: how far this training's sum over the prompts is from the mean; these add up to 0. `answers` and
    `unrated` count the answers of every cell, and those without a rating, over its `trainings`. `repeated` has the
    number of trainings of each run with several, in the order of the columns.
    """

    rows: dict[Cell, int]
    score: "np.ndarray"
    lost: "np.ndarray"
    answers: dict[Cell, int]
    unrated: dict[Cell, int]
    trainings: dict[Cell, int]
    repeated: tuple[int, ...] = ()

    @property
    def prompts(self) -> int:
        return self.score.shape[1] - sum(self.repeated)

    def values(self, cell: Cell, measure: str = "score") -> "np.ndarray | None":
        """A cell's row of shape (prompts + repeated trainings,), or None if it lacks an answer."""
        return getattr(self, measure)[self.rows[cell]] if cell in self.rows else None

    def resamples(self, uncertainty: Mapping) -> Resamples:
        """Resamples for the prompts and trainings of these scores; `uncertainty` has `resamples` and `seed`."""
        return draw_resamples(self.prompts, uncertainty["resamples"], uncertainty["seed"], self.repeated)


def by_prompt(scores: "pl.DataFrame", prompts: int) -> PromptScores:
    """Arrange one judge's score table (method, model, recipe, seed, lang, id, rating, score) by prompt.

    A cell is left out of the matrices unless each training of its run answers each of the `prompts` prompts of its
    language once. The order of the prompts is that of the language's first training with `prompts` answers.
    """
    import numpy as np
    import polars as pl

    cell = ["method", "model", "recipe", "lang"]
    places = (
        scores.group_by(*cell, "seed", maintain_order=True)
        .agg(pl.col("id"), place=pl.int_range(pl.len()))
        .filter(pl.col("id").list.len() == prompts)
        .unique("lang", keep="first", maintain_order=True)
        .select("lang", "id", "place")
        .explode("id", "place")
    )
    placed = scores.join(places, on=["lang", "id"], how="left", maintain_order="left").with_columns(
        score=pl.col("score").fill_null(0.0), lost=(pl.col("rating") - pl.col("score")).fill_null(0.0)
    )
    whole: dict[Cell, np.ndarray] = {}
    answers: dict[Cell, int] = {}
    unrated: dict[Cell, int] = {}
    trainings: dict[Cell, int] = {}
    for key, table in placed.sort(*cell, "seed", "place").group_by(*cell, maintain_order=True):
        tables = table.partition_by("seed", maintain_order=True)
        answers[key], unrated[key], trainings[key] = len(table), table["rating"].null_count(), len(tables)
        if all(one["place"].to_list() == list(range(prompts)) for one in tables):
            whole[key] = np.array([[one[measure].to_numpy() for one in tables] for measure in MEASURES])
    return arrange(whole, prompts, answers, unrated, trainings)


def arrange(
    whole: "Mapping[Cell, np.ndarray]",
    prompts: int,
    answers: dict[Cell, int],
    unrated: dict[Cell, int],
    trainings: dict[Cell, int],
) -> PromptScores:
    """The matrices, from the values of each cell, of shape (measures, trainings, prompts). Cells with fewer trainings
    than another of their run are left out."""
    import numpy as np

    trained: dict[tuple[str, ...], int] = {}
    for (*run, _), number in trainings.items():
        trained[tuple(run)] = max(number, trained.get(tuple(run), 0))
    repeated = {run: number for run, number in trained.items() if number > 1}
    starts = dict(zip(repeated, accumulate(repeated.values(), initial=prompts), strict=False))
    kept = [cell for cell in whole if trainings[cell] == trained[cell[:3]]]
    matrices = np.zeros((len(MEASURES), len(kept), prompts + sum(repeated.values())))
    for row, cell in enumerate(kept):
        matrices[:, row, :prompts] = whole[cell].mean(axis=1)
        if (start := starts.get(cell[:3])) is not None:
            sums = whole[cell].sum(axis=2)
            matrices[:, row, start : start + trainings[cell]] = sums - sums.mean(axis=1, keepdims=True)
    rows = {cell: row for row, cell in enumerate(kept)}
    return PromptScores(rows, *matrices, answers, unrated, trainings, tuple(repeated.values()))


def draw_resamples(prompts: int, resamples: int, seed: int, repeated: Sequence[int] = ()) -> Resamples:
    """Resamples of some prompts; `repeated` as in PromptScores."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(max(prompts - 1, 1), np.full(prompts, 1 / prompts), size=resamples)
    return Resamples(drawn.T.astype(float), seed, tuple(repeated))


def confidence_interval(estimates: Iterable[float], level: float, prompts: int) -> tuple[float, float]:
    """The confidence interval at `level`, from the estimates of all resamples of `prompts` prompts."""
    import numpy as np

    tail = NormalDist().cdf(-student_quantile((1 + level) / 2, max(prompts - 1, 1)))
    low, high = np.quantile(np.asarray(estimates), [tail, 1 - tail])
    return float(low), float(high)


def estimate(
    cells: "Sequence[np.ndarray | None]", drawn: Resamples, level: float
) -> tuple[float, float, float] | tuple[None, None, None]:
    """The sum over the prompts, averaged over the cells, and its confidence interval; all None if a cell is missing.

    A cell's values are as in PromptScores.
    """
    known = [cell for cell in cells if cell is not None]
    if len(known) < len(cells):
        return None, None, None
    values = reduce(add, known)
    low, high = confidence_interval(drawn.sums(values), level, drawn.prompts)
    value, low, high = (round(float(total) / len(cells), 6) for total in (values.sum(), low, high))
    return value, low, high  # rounded: sums of thirds depend on the order


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t by the Cornish-Fisher expansion; error below 0.004 at 95 % from 9 degrees of freedom."""
    z = NormalDist().inv_cdf(probability)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
