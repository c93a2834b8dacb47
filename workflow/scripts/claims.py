"""What the scores say about the paper's claims: PREFIX.csv and PREFIX.md.

Each claim in --claims (resources/claims.yaml explains the format) gets, for each judge, an effect, its bootstrap
confidence interval and a verdict: holds, does not hold, cannot tell. All runs and languages share the same resamples of
the prompts (bootstrap.py), so that runs are compared prompt by prompt.

--selection is a JSON object or a file with one; the workflow derives it from the config:

  figures     {"figure2": {"lora": ["pythia-70m", ...]}, ...}: models of each method
  models      {"pythia-70m": {"family": "pythia", "billions": 0.07}, ...}
  languages   {"seen": ["en", ...], "unseen": ["bn", ...]}
  names       {"en": "English", ...}
  prompts     50: in each language
  uncertainty {"level": 0.95, "resamples": 2000, "seed": 42}

A pair of cells is compared if both have an answer to every prompt; the number of pairs compared, out of all that the
claim covers, is given with the effect. Nothing is imputed: without a pair, the verdict is "cannot tell". A claim in
which one part has no pair (one language of "every other language") cannot hold. Figures of a claim that are missing in
the selection are named.

PREFIX.csv has one row per judge, claim and part; `whole` is the verdict on the claim as a whole.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.kinds import dict_of
from basics.settings import check_selection, read_object
from basics.writing import beside, write_text
from judging.ratings import BEST_RATING
from reporting.bootstrap import Cell, PromptScores, by_prompt, confidence_interval, draw_resamples, resampled_sums
from reporting.claim_rules import UNKNOWN, as_list, interval_verdict, overall_verdict, read_claims
from reporting.markdown import markdown_table
from reporting.scores import read_scores
from study.series import METHODS, recipe_of

if TYPE_CHECKING:
    import numpy as np


ROUNDING = 1e-9  # sums of thirds are not exact
UNITS = {
    "mean": "points of {highest}",
    "slope": "points of {highest} for ten times the size",
    "not_behind": "% of cases",
}
SIGNS = {"above": ">", "at_least": "≥", "below": "<", "at_most": "≤"}
MODEL = {"family": str, "billions": float}
KEYS = {
    "figures": dict[str, dict[str, list[str]]],
    "models": dict_of(MODEL),
    "languages": {"seen": list[str], "unseen": list[str]},
    "names": dict[str, str],
    "prompts": int,
    "uncertainty": {"level": float, "resamples": int, "seed": int},
}


@dataclass(frozen=True)
class Case:
    """What a claim compares for one model and language: a cell and, unless its score itself is meant, another."""

    method: str
    model: str
    lang: str
    series: str
    cell: Cell
    against: Cell | None


@dataclass(frozen=True)
class Answer:
    """A part of a claim, and a row of the csv; effect, low and high are None where nothing could be compared."""

    judge: str
    claim: str
    part: str
    verdict: str
    effect: float | None
    low: float | None
    high: float | None
    expected: str
    unit: str
    compared: int
    cases: int
    ahead: int | None  # cases compared in which the first series is ahead
    unrated: int  # answers compared that have no rating: they count as 0
    statement: str


def claimed_cases(claim: Mapping, selection: Mapping) -> Iterator[Case]:
    """All cases that a claim covers, whether they were measured or not."""
    seen, unseen = selection["languages"]["seen"], selection["languages"]["unseen"]
    langs = {
        "seen": seen,
        "others": [lang for lang in seen if lang != "en"],
        "english": [lang for lang in seen if lang == "en"],
        "unseen": unseen,
    }[claim["languages"]]
    size = claim.get("sizes", {})
    met = set()
    for figure in claim["figures"]:
        for method, models in selection["figures"].get(figure, {}).items():
            for model in models if method in claim.get("methods", METHODS) else ():
                billions = selection["models"][model]["billions"]
                if (method, model) in met or not size.get("from", 0) <= billions < size.get("below", math.inf):
                    continue
                met.add((method, model))
                yield from (case for lang in langs for case in comparisons(claim, method, model, lang))


def comparisons(claim: Mapping, method: str, model: str, lang: str) -> Iterator[Case]:
    """The cells that a claim compares for one model and language, without those of a cell with itself."""
    for series in as_list(claim["compare"]):
        for other in as_list(claim["with"]) if "with" in claim else [None]:
            cell = (method, model, recipe_of(series, lang), lang)
            against = (method, model, recipe_of(other, lang), lang) if other else None
            if cell != against:
                yield Case(method, model, lang, series_of(claim, series, other), cell, against)


def series_of(claim: Mapping, series: str, other: str | None) -> str:
    """The name of a comparison: the series that vary within the claim."""
    several = [
        name for key, name in (("compare", series), ("with", other)) if name and isinstance(claim.get(key), list)
    ]
    return " and ".join(several) or series


def group_by_part(claim: Mapping, found: Sequence[Case], selection: Mapping) -> dict[str, list[Case]]:
    """The cases of each part of a claim, by the name of the part; "" if the claim has only one."""
    keys = {
        None: lambda case: "",
        "language": lambda case: selection["names"][case.lang],
        "method": lambda case: METHODS[case.method],
        "series": lambda case: case.series,
    }
    grouped: dict[str, list[Case]] = {}
    for case in found:
        grouped.setdefault(keys[claim.get("each")](case), []).append(case)
    return grouped


def weights_of(statistic: str, compared: Sequence[Case], models: Mapping) -> "np.ndarray":
    """Weights of shape (cases,) whose product with the cases' values is their mean or their slope.

    The slope is that of least squares over log10 of the size, with a separate intercept for each family, method,
    language and series; its weights are all 0 if all sizes are equal.
    """
    import numpy as np

    if statistic != "slope":
        return np.full(len(compared), 1 / max(len(compared), 1))
    groups: dict[tuple, list[int]] = {}
    for place, case in enumerate(compared):
        groups.setdefault((models[case.model]["family"], case.method, case.lang, case.series), []).append(place)
    size = np.log10([models[case.model]["billions"] for case in compared])
    for places in groups.values():
        size[places] -= size[places].mean()
    spread = (size**2).sum()
    return size / spread if spread > ROUNDING else np.zeros_like(size)


def estimate(
    statistic: str, values: "np.ndarray", drawn: "np.ndarray", level: float, weights: "np.ndarray"
) -> tuple[float, float, float] | None:
    """A statistic of the cases' values (cases, prompts) and its confidence interval; None if it is undefined.

    Mean and slope are weighted sums over the cases. A count of cases does not change smoothly, so its resampled values
    need not surround it. Its interval therefore runs from the number of cases that are certainly not behind to the
    number of those not certainly behind, by simultaneous intervals of all cases (Bonferroni).
    """
    prompts = values.shape[1]
    if statistic == "not_behind":
        ahead = values.sum(1) > -ROUNDING
        each = [
            confidence_interval(row, 1 - (1 - level) / len(values), prompts) for row in resampled_sums(values, drawn)
        ]
        surely, perhaps = ([end > -ROUNDING for end in ends] for ends in zip(*each, strict=True))
        return tuple(100 * sum(counted) / len(values) for counted in (ahead, surely, perhaps))
    if not weights.any():
        return None
    by_prompts = weights @ values
    return float(by_prompts.sum()), *confidence_interval(resampled_sums(by_prompts, drawn), level, prompts)


def answer_part(
    judge: str,
    name: str,
    part: str,
    claim: Mapping,
    found: Sequence[Case],
    scores: PromptScores,
    drawn: "np.ndarray",
    selection: Mapping,
) -> Answer:
    """The answer on one part of a claim."""
    highest, level = BEST_RATING * selection["prompts"], selection["uncertainty"]["level"]
    compared = [
        case for case in found if case.cell in scores.rows and (case.against is None or case.against in scores.rows)
    ]
    matrix = getattr(scores, claim.get("measure", "score"))
    values = matrix[[scores.rows[case.cell] for case in compared]]
    if "with" in claim:
        values = values - matrix[[scores.rows[case.against] for case in compared if case.against]]
    weights = weights_of(claim["statistic"], compared, selection["models"])
    known = estimate(claim["statistic"], values, drawn, level, weights) if compared else None
    effect, low, high = (round(number, 6) for number in known) if known else (None, None, None)
    whole = 100 if claim["statistic"] == "not_behind" else highest
    expect = {side: round(bound * whole / 100, 6) for side, bound in claim["expect"].items()}
    used = {cell for case in compared for cell in (case.cell, case.against) if cell}
    return Answer(
        judge=judge,
        claim=name,
        part=part,
        verdict=UNKNOWN if low is None or high is None else interval_verdict(low, high, expect),
        effect=effect,
        low=low,
        high=high,
        expected=" and ".join(f"{SIGNS[side]} {bound:g}" for side, bound in expect.items()).replace("-", "−"),
        unit=UNITS[claim["statistic"]].format(highest=highest),
        compared=len(compared),
        cases=len(found),
        ahead=int((values.sum(1) > ROUNDING).sum()) if "with" in claim else None,
        unrated=sum(scores.unrated[cell] for cell in used),
        statement=claim["claim"],
    )


def answer_claims(
    judge: str, claims: Mapping, scores: PromptScores, drawn: "np.ndarray", selection: Mapping
) -> list[Answer]:
    """The answers on all parts of all claims, from one judge's scores."""
    found = []
    for name, claim in claims.items():
        grouped = group_by_part(claim, list(claimed_cases(claim, selection)), selection) or {"": []}
        for part, members in grouped.items():
            found.append(answer_part(judge, name, part, claim, members, scores, drawn, selection))
    return found


def group_by_claim(found: Sequence[Answer]) -> dict[str, list[Answer]]:
    """The parts of each claim, in order."""
    grouped: dict[str, list[Answer]] = {}
    for part in found:
        grouped.setdefault(part.claim, []).append(part)
    return grouped


# --- the page --------------------------------------------------------------------------------------------------------


def signed_number(value: float | None) -> str:
    """A number with its sign and one decimal; a dash for None."""
    return "–" if value is None else f"{value:+.1f}".replace("-", "−")


def effect_of(part: Answer) -> str:
    """The effect with its interval and unit, formatted."""
    if part.effect is None:
        return "–"
    effect, low, high = (signed_number(value) for value in (part.effect, part.low, part.high))
    text = f"{effect} [{low}, {high}] {part.unit}"
    return text.replace("+", "") if part.unit == UNITS["not_behind"] else text


def coverage_of(found: Sequence[Answer]) -> str:
    """How many cases of the claim were compared, and how many of their answers have no rating."""
    compared, cases, unrated = (sum(getattr(part, key) for part in found) for key in ("compared", "cases", "unrated"))
    return f"{compared} of {cases}" + (f", {unrated} unrated" if unrated else "")


def why_unknown(found: Sequence[Answer]) -> str | None:
    """Why the verdict is "cannot tell", unless the interval is the reason."""
    if all(part.cases == 0 for part in found):
        return "no such model in this configuration"
    if all(part.compared == 0 for part in found):
        return "no scores to compare"
    absent = sum(part.compared == 0 for part in found)
    if absent:
        return f"{absent} of {len(found)} parts cannot be compared"
    return "models of one size only" if any(part.effect is None for part in found) else None


def remarks(claim: Mapping, found: Sequence[Answer], whole: str, figures: Mapping) -> str:
    """Remarks on a verdict, in parentheses: why it is "cannot tell", and which figures are missing."""
    absent = [figure for figure in claim["figures"] if figure not in figures]
    remarks_or_none = [
        why_unknown(found) if whole == UNKNOWN else None,
        f"without {', '.join(absent)}, not in this configuration" if 0 < len(absent) < len(claim["figures"]) else None,
    ]
    return "".join(f" ({remark})" for remark in remarks_or_none if remark)


def claim_rows(claims: Mapping, found: Sequence[Answer], figures: Mapping) -> Iterator[dict]:
    """One row per claim; the effects of a claim with several parts are in a separate table."""
    for name, members in group_by_claim(found).items():
        claim, whole = claims[name], overall_verdict([part.verdict for part in members])
        yield {
            "claim": f"{name}: {claim['claim']}",
            "section": claim["section"] + (", bold" if claim["bold"] == "yes" else ""),
            "effect": effect_of(members[0]) if len(members) == 1 else f"{len(members)} parts, below",
            "expected": members[0].expected,
            "verdict": f"**{whole}**{remarks(claim, members, whole, figures)}",
            "compared": coverage_of(members),
        }


def part_rows(found: Sequence[Answer]) -> Iterator[dict]:
    """One row per part, for the claims with several parts."""
    for members in group_by_claim(found).values():
        for part in members if len(members) > 1 else ():
            yield {
                "claim": part.claim,
                "part": part.part,
                "effect": effect_of(part),
                "verdict": part.verdict,
                "ahead": f"{part.ahead} of {part.compared}" if part.ahead is not None else "–",
                "compared": coverage_of([part]),
            }


def claims_page(claims: Mapping, found: Mapping[str, list[Answer]], selection: Mapping, note: str) -> str:
    """The claims of every judge as Markdown."""
    uncertainty = selection["uncertainty"]
    text = ["# What the scores say about the paper's claims"]
    if note:
        text.append(f"**{note}**")
    for judge, members in found.items():
        rows = list(claim_rows(claims, members, selection["figures"]))
        text += [f"## Judge: {judge}", markdown_table(rows, right=["compared"])]
        lines = list(part_rows(members))
        if lines:
            text.append(markdown_table(lines, right=["ahead", "compared"]))
        if any(part.unrated for part in members):
            text.append("Answers without a rating count as 0.")
    text.append(
        f"Effects have {100 * uncertainty['level']:g} % bootstrap confidence intervals over prompts, from"
        f" {uncertainty['resamples']} resamples of the {selection['prompts']} prompts (seed {uncertainty['seed']}), the"
        " same for both runs of a comparison. The intervals reflect only the choice of prompts, not a training with"
        " another seed or another judge. A claim holds if its whole interval is in the *expected* range, in the unit of"
        " the effect, and does not hold if the whole interval is outside; a claim with several parts holds if all parts"
        " do, and does not hold if one part does not. *Compared*: models and languages of the claim with complete"
        " answers. For a share of cases, the interval runs from the cases that are certainly not behind to all that are"
        " not certainly behind; it is approximate, since counts do not change smoothly."
    )
    return "\n\n".join(text) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--claims", required=True, metavar="FILE", help="the claims (YAML)")
    parser.add_argument(
        "--selection", required=True, metavar="JSON", help="models and languages: a JSON object or its file"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence about these results")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the files, without suffix")
    options = parser.parse_args(arguments)

    claims = read_claims(options.claims)
    selection = check_selection(read_object(options.selection), "--selection", KEYS)
    scores = read_scores(options.scores, ("rating", "score"))
    uncertainty = selection["uncertainty"]
    drawn = draw_resamples(selection["prompts"], uncertainty["resamples"], uncertainty["seed"])
    found = {
        table["judge"][0]: answer_claims(
            table["judge"][0], claims, by_prompt(table, selection["prompts"]), drawn, selection
        )
        for table in scores.partition_by("judge", maintain_order=True)
    }
    with beside(f"{options.output_prefix}.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        columns = [field.name for field in fields(Answer)] + ["whole", *uncertainty, "prompts"]
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for group in (group for members in found.values() for group in group_by_claim(members).values()):
            all_parts = {"whole": overall_verdict([part.verdict for part in group])}
            common = all_parts | uncertainty | {"prompts": selection["prompts"]}
            writer.writerows(asdict(part) | common for part in group)
    write_text(f"{options.output_prefix}.md", claims_page(claims, found, selection, options.note))
    for judge, members in found.items():
        whole = [overall_verdict([part.verdict for part in group]) for group in group_by_claim(members).values()]
        counted = ", ".join(f"{whole.count(each)} {each}" for each in dict.fromkeys(whole))
        print(f"claims: {judge}: {counted}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
