"""What a planned study could tell from chance: the smallest effects, before anything is spent.

Studies are simulated in which all cells are alike, with the runs, languages, prompts and trainings of a configuration;
`plan.scores` says what scores are like (reporting/simulation.py). In each, the smallest effect is looked for with which
a claim would be found to hold, or two series to differ at a point of a figure. The effect that suffices in 80 % of the
studies is the one that such a study can be expected to tell (power; Card et al., 2020).
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import NamedTuple

from judging.ratings import BEST_RATING
from planning.jobs import Workflow
from reporting.bootstrap import Cell, PromptScores, Resamples, draw_resamples
from reporting.claim_answers import UNITS, cells_of, evidence_on, values_of
from reporting.claim_cases import Case, claimed_cases, group_by_part
from reporting.claim_rules import read_claims
from reporting.evidence import Evidence, holm, lifted, no_evidence, weigh
from reporting.simulation import Expected, simulate
from study.matrix import Matrix
from study.recipes import Recipes
from study.series import SERIES_OF_KIND, recipe_of

POWER = 0.8
STUDIES = 20
RESAMPLES = 500
STEPS = 9  # bisections, of twice the highest score: to within a point of 150
LESS = {"below", "at_most"}

Pair = tuple[Sequence[Cell], Sequence[Cell]]  # whose means are compared


class Told(NamedTuple):
    """The smallest effect that a claim or a figure can be expected to tell, in `unit`; None if none would do."""

    name: str
    effect: float | None
    unit: str
    trainings: int  # the fewest of a cell


def smallest_effects(workflow: Workflow) -> dict[str, list[Told]]:
    """For the figures and the claims that a workflow makes: what they could tell. Nothing where they are not made."""
    asked = {job.rule: job for job in workflow.jobs if job.rule in ("claims", "figure")}
    if not asked:
        return {}
    studies = simulated_studies(workflow.config)
    figures = [json.loads(job.params["settings"]) for job in workflow.jobs if job.rule == "figure"]
    found = {"figures": [in_figure(figure, studies) for figure in figures]}
    if claims := asked.get("claims"):
        selection = json.loads(claims.params["selection"])
        found["claims"] = [
            in_claim(name, claim, selection, studies) for name, claim in read_claims(claims.inputs["claims"][0]).items()
        ]
    return found


def trainings_of_cells(study: Mapping) -> dict[Cell, int]:
    """How many trainings answer each cell: method, model, recipe and language."""
    recipes = Recipes(study)
    return Counter(
        (run.method, run.model, recipes.of_run(run.recipe), lang)
        for run, languages in Matrix(study).runs.items()
        for lang in languages
    )


def simulated_studies(study: Mapping) -> list[PromptScores]:
    """Studies without any effect; trainings of a repeated run differ by their seeds, alike in all their languages."""
    import numpy as np

    cells, assumed = trainings_of_cells(study), study["plan"]["scores"]
    prompts = study["data"]["prompts_used"]
    random = np.random.default_rng(study["random_seed"])
    studies = []
    for _ in range(STUDIES):
        shifts = {
            run: random.normal(0, assumed["seeds"] * BEST_RATING / 100, trainings if trainings > 1 else 0)
            for run, trainings in {cell[:3]: number for cell, number in cells.items()}.items()
        }
        planned = {
            cell: [_expected(assumed, shift) for shift in shifts[cell[:3]]] or [_expected(assumed, 0)] for cell in cells
        }
        studies.append(simulate(planned, prompts, int(random.integers(2**32))))
    return studies


def _expected(assumed: Mapping, shift: float) -> Expected:
    """What is expected of a training, whose mean score is shifted by so much."""
    rating = assumed["rating"] + shift / assumed["in_language"]
    return Expected(min(max(rating, 1.0), BEST_RATING), assumed["in_language"])


class Question(NamedTuple):
    """Something asked of one simulated study: the effect there, which is due to chance, and whether a verdict would be
    given if the true effect were so many points more."""

    effect: float
    is_told: Callable[[float], bool]


def in_claim(name: str, claim: Mapping, selection: Mapping, studies: Sequence[PromptScores]) -> Told:
    """The smallest effect with which a claim holds; for a count of cases, the lead that each of them needs."""
    highest = BEST_RATING * selection["prompts"]
    unit = UNITS["slope" if claim["statistic"] == "slope" else "mean"].format(highest=highest)
    cases = list(claimed_cases(claim, selection))
    parts = [
        [case for case in members if cells_of([case]) <= studies[0].rows.keys()]
        for members in group_by_part(claim, cases).values()
    ]
    if not parts or not all(parts) or len(claim["expect"]) > 1:  # a range is about no difference
        return Told(name, None, unit, 0)
    sign = -1 if set(claim["expect"]) <= LESS else 1
    questions = [_ask_claim(claim, parts, scores, selection, sign) for scores in studies]
    trainings = min(studies[0].trainings[cell] for members in parts for cell in cells_of(members))
    return Told(name, _in_most(questions, highest, sign), unit, trainings)


def _ask_claim(
    claim: Mapping, parts: Sequence[Sequence[Case]], scores: PromptScores, selection: Mapping, sign: int
) -> Question:
    uncertainty = selection["uncertainty"]
    drawn, level = _drawn(scores.prompts, uncertainty["seed"], scores.repeated), uncertainty["level"]
    values = [values_of(claim, cases, scores) for cases in parts]

    def evidence(lift: float) -> list[Evidence]:
        return [
            evidence_on(claim, cases, each, drawn, selection, sign * lift) or no_evidence(0.0)
            for cases, each in zip(parts, values, strict=True)
        ]

    counts = claim["statistic"] == "not_behind"
    effect = 0.0 if counts else fmean(part.effect for part in evidence(0))
    return Question(effect, lambda lift: max(holm([part.holds for part in evidence(lift)])) <= (1 - level) / 2)


def in_figure(figure: Mapping, studies: Sequence[PromptScores]) -> Told:
    """The smallest difference between two series at a point of a figure, one of those with the fewest trainings."""
    name, unit = f"Figure {figure['number']}", UNITS["mean"].format(highest=figure["maximum"])
    measured = studies[0].trainings
    pairs = [pair for pair in _pairs(figure) if {*pair[0], *pair[1]} <= measured.keys()]
    if not pairs:
        return Told(name, None, unit, 0)

    def trainings(pair: Pair) -> int:
        return min(measured[cell] for cell in (*pair[0], *pair[1]))

    pair = min(pairs, key=trainings)
    questions = [_ask_pair(pair, figure, scores) for scores in studies]
    return Told(name, _in_most(questions, figure["maximum"], 1), unit, trainings(pair))


def _pairs(figure: Mapping) -> Iterator[Pair]:
    """For each model of a figure, the cells of the first two series at one point: of one language, or of all."""
    langs = figure["panels"] if figure["kind"] == "consistency" else figure["panels"][-1:]
    series = figure.get("series", SERIES_OF_KIND[figure["kind"]])
    sweep = figure.get("sweep", {"members": [], "of": None})
    swept = [name for _, name in sweep["members"]]
    for method, models in figure["runs"].items():
        ends = [(method, one) for one in (swept if sweep["of"] == "recipes" else series)][:2]
        if sweep["of"] == method:
            ends = [(name, series[0]) for name in swept[:2]]
        for model in models:
            cells = [[(of, model, recipe_of(one, lang), lang) for lang in langs] for of, one in ends]
            if len(cells) == 2:
                yield cells[0], cells[1]


def _ask_pair(pair: Pair, figure: Mapping, scores: PromptScores) -> Question:
    uncertainty = figure["uncertainty"]
    drawn, level = _drawn(scores.prompts, uncertainty["seed"], scores.repeated), uncertainty["level"]
    matrix = scores.lost if figure["kind"] == "consistency" else scores.score
    one, other = (matrix[[scores.rows[cell] for cell in cells]].mean(0) for cells in pair)

    def is_told(lift: float) -> bool:
        return weigh(lifted(one - other, lift, scores.prompts), drawn, level, {"above": 0}).holds <= (1 - level) / 2

    return Question(0.0, is_told)


@cache
def _drawn(prompts: int, seed: int, repeated: tuple[int, ...]) -> Resamples:
    """Resamples for any of the studies, which differ in their scores alone."""
    return draw_resamples(prompts, RESAMPLES, seed, repeated)


def _in_most(questions: Sequence[Question], highest: float, sign: int) -> float | None:
    """The true effect with which a verdict is given in most studies; None if the highest would not do."""
    lifts = sorted(_least_lift(question.is_told, highest) for question in questions)
    needed = lifts[math.ceil(POWER * len(lifts)) - 1]
    return None if math.isinf(needed) else fmean(question.effect for question in questions) + sign * needed


def _least_lift(is_told: Callable[[float], bool], highest: float) -> float:
    """The least lift with which a verdict is given, by bisection; infinite if the highest would not do."""
    low, high = -highest, highest
    if not is_told(high):
        return math.inf
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_told(middle) else (middle, high)
    return high
