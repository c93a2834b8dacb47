"""Answers to the paper's claims: what scores say about each part, its verdict, and corrections for many looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from judging.ratings import BEST_RATING
from reporting.bootstrap import Cell, PromptScores, Resamples
from reporting.claim_cases import Case, claimed_cases, describe, group_by_part, weights_of
from reporting.claim_rules import UNKNOWN, verdict_of
from reporting.evidence import ROUNDING, Evidence, count_cases, false_discovery, holm, lifted, no_evidence, weigh

if TYPE_CHECKING:
    import numpy as np

MISSING_TOLERATED = 0.02
NO_VARIATION = "no variation"
UNITS = {
    "mean": "points of {highest}",
    "slope": "points of {highest} for ten times the size",
    "not_behind": "% of cases",
}
SIGNS = {"above": ">", "at_least": "≥", "below": "<", "at_most": "≤"}


@dataclass(frozen=True)
class Answer:
    """A part of a claim, and a row of the csv; effect, low and high are None where nothing could be compared, and low
    and high also where too few prompts tell cells apart."""

    judge: str
    claim: str
    part: str
    verdict: str
    reason: str  # why the verdict is "cannot tell", unless the interval is the reason
    effect: float | None
    low: float | None
    high: float | None
    expected: str
    unit: str
    p_holds: float  # corrected for the number of parts, like p_fails
    p_fails: float
    q: float  # of the claim as a whole
    compared: int
    cases: int
    ahead: int | None  # cases compared in which the first series is ahead
    unrated: int  # answers compared that have no rating: they count as 0
    trainings: int  # the fewest that a cell compared has; with one, nothing is known of other seeds
    what: str  # the claim as a whole compares; where nothing could be, what it would
    statement: str


def answer_part(
    judge: str,
    name: str,
    part: str,
    claim: Mapping,
    found: Sequence[Case],
    scores: PromptScores,
    drawn: Resamples,
    selection: Mapping,
    tolerated: float,
) -> Answer:
    """The answer on one part of a claim, before it is corrected for the number of parts and claims."""
    compared = [case for case in found if can_be_compared(case, scores, tolerated)]
    values, expect = values_of(claim, compared, scores), expected_range(claim, selection)
    known = evidence_on(claim, compared, values, drawn, selection)
    reason = why_nothing(found, compared, scores, tolerated, known)
    if known and reason:
        known = no_evidence(known.effect)
    effect, low, high = (None if end is None else round(end, 6) for end in (known[:3] if known else [None] * 3))
    return Answer(
        judge=judge,
        claim=name,
        part=part,
        verdict=UNKNOWN,
        reason=reason,
        effect=effect,
        low=low,
        high=high,
        expected=" and ".join(f"{SIGNS[side]} {bound:g}" for side, bound in expect.items()).replace("-", "−"),
        unit=UNITS[claim["statistic"]].format(highest=BEST_RATING * selection["prompts"]),
        p_holds=known.holds if known else 1.0,
        p_fails=known.fails if known else 1.0,
        q=1.0,
        compared=len(compared),
        cases=len(found),
        ahead=int((values.sum(1) > ROUNDING).sum()) if is_paired(claim) else None,
        unrated=sum(scores.unrated[cell] for cell in cells_of(compared)),
        trainings=min((scores.trainings[cell] for cell in cells_of(compared)), default=0),
        what="",
        statement=claim["claim"],
    )


def is_paired(claim: Mapping) -> bool:
    """Whether a claim compares cells with others, and is not about their scores alone."""
    return "with" in claim or "against" in claim


def values_of(claim: Mapping, compared: Sequence[Case], scores: PromptScores) -> "np.ndarray":
    """A row for each case, as in PromptScores: its cell's, less that of the cell which it is compared with."""
    matrix = getattr(scores, claim.get("measure", "score"))
    values = matrix[[scores.rows[case.cell] for case in compared]]
    if is_paired(claim):
        return values - matrix[[scores.rows[case.against] for case in compared if case.against]]
    return values


def expected_range(claim: Mapping, selection: Mapping) -> dict[str, float]:
    """The range that a claim expects of its effect, in the unit of the effect."""
    whole = 100 if claim["statistic"] == "not_behind" else BEST_RATING * selection["prompts"]
    return {side: round(bound * whole / 100, 6) for side, bound in claim["expect"].items()}


def evidence_on(
    claim: Mapping,
    compared: Sequence[Case],
    values: "np.ndarray",
    drawn: Resamples,
    selection: Mapping,
    lift: float = 0.0,
) -> Evidence | None:
    """The evidence on a part of a claim, from the values of its cases; None if they are no evidence on it.

    With `lift`, what it would be if the effect (of a count, that in each case) were so many points higher.
    """
    expect, level = expected_range(claim, selection), selection["uncertainty"]["level"]
    if claim["statistic"] == "not_behind" and compared:
        lift += claim.get("margin", 0) * BEST_RATING * selection["prompts"] / 100
        return count_cases(lifted(values, lift, drawn.prompts), drawn, level, expect)
    weights = weights_of(claim["statistic"], compared, selection["models"])
    if weights.any():
        return weigh(lifted(weights @ values, lift, drawn.prompts), drawn, level, expect)
    return None


def cells_of(cases: Sequence[Case]) -> set[Cell]:
    """All cells that some cases compare."""
    return {cell for case in cases for cell in (case.cell, case.against) if cell}


def can_be_compared(case: Case, scores: PromptScores, tolerated: float) -> bool:
    """Whether the cells of a case have an answer to every prompt, and enough ratings of them."""
    return all(
        cell in scores.rows and scores.unrated[cell] <= tolerated * scores.answers[cell] for cell in cells_of([case])
    )


def why_nothing(
    found: Sequence[Case], compared: Sequence[Case], scores: PromptScores, tolerated: float, known: Evidence | None
) -> str:
    """Why nothing can be said about a part, whatever its interval; "" if something can."""
    measured = cells_of(found) & scores.rows.keys()
    unrated, answers = (sum(counted[cell] for cell in measured) for counted in (scores.unrated, scores.answers))
    if not found:
        return "no such model in this configuration"
    if unrated > tolerated * answers:
        return f"{100 * unrated / answers:.0f} % of the ratings are missing"
    if not compared:
        return "no scores to compare"
    if not known:
        return "models of one size only"
    return NO_VARIATION if known.low is None else ""


def answer_claims(
    judge: str,
    claims: Mapping,
    scores: PromptScores,
    drawn: Resamples,
    selection: Mapping,
    tolerated: float = MISSING_TOLERATED,
) -> list[Answer]:
    """The answers on all parts of all claims, from one judge's scores."""
    level = selection["uncertainty"]["level"]
    found = []
    for name, claim in claims.items():
        cases = list(claimed_cases(claim, selection))
        compared = [case for case in cases if can_be_compared(case, scores, tolerated)]
        parts = [
            answer_part(judge, name, part, claim, members, scores, drawn, selection, tolerated)
            for part, members in (group_by_part(claim, cases) or {"": []}).items()
        ]
        what = describe(claim, compared or cases, selection)
        found.append([replace(part, what=what) for part in corrected(parts, level)])
    rates = false_discovery(p_of_claim(parts) for parts in found)
    return [replace(part, q=rate) for parts, rate in zip(found, rates, strict=True) for part in parts]


def corrected(parts: Sequence[Answer], level: float) -> list[Answer]:
    """The parts of a claim with their verdicts, corrected for their number in each direction."""
    both = zip(holm([part.p_holds for part in parts]), holm([part.p_fails for part in parts]), strict=True)
    return [
        replace(part, p_holds=holds, p_fails=fails, verdict=verdict_of(holds, fails, level))
        for part, (holds, fails) in zip(parts, both, strict=True)
    ]


def p_of_claim(parts: Sequence[Answer]) -> float:
    """The two-sided p-value of a claim, which holds if all its parts do, and does not hold if one part does not."""
    return min(1.0, 2 * min(max(part.p_holds for part in parts), min(part.p_fails for part in parts)))


def group_by_claim(found: Sequence[Answer]) -> dict[str, list[Answer]]:
    """The parts of each claim, in order."""
    grouped: dict[str, list[Answer]] = {}
    for part in found:
        grouped.setdefault(part.claim, []).append(part)
    return grouped
