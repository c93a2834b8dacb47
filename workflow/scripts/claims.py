"""What the scores say about the paper's claims: PREFIX.csv and PREFIX.md.

Each claim in --claims (resources/claims.yaml explains the format) gets, for each judge, an effect, its bootstrap
confidence interval and a verdict: holds, does not hold, cannot tell. All runs and languages share the same resamples of
the prompts (bootstrap.py), so that runs are compared prompt by prompt. Verdicts on the parts of a claim are corrected
for their number (evidence.py), in both directions; q is the false-discovery rate over all claims of a judge.

--selection is a JSON object or a file with one; the workflow derives it from the config:

  figures     {"figure2": {"lora": ["pythia-70m", ...]}, ...}: models of each method
  models      {"pythia-70m": {"family": "pythia", "billions": 0.07}, ...}
  families    {"pythia": "Pythia", ...}
  methods     {"lora": "LoRA", ...}
  languages   {"seen": ["en", ...], "unseen": ["bn", ...]}
  names       {"en": "English", ...}
  prompts     50: in each language
  uncertainty {"level": 0.95, "resamples": 2000, "seed": 42}
  labels      {"my-mix": "My mix", ...}: names of recipes that are not in the paper; optional

A pair of cells is compared if both have an answer to every prompt and no more than the tolerated share of them lacks a
rating; the number of pairs compared, out of all that the claim covers, is given with the effect. Nothing is imputed:
without a pair, the verdict is "cannot tell", and so it is if more than that share is missing over all cells of a part,
or if too few prompts tell cells apart ("no variation"). A claim in which one part has no pair (one language of "every
other language") cannot hold. Figures of a claim that are missing in the selection are named.

PREFIX.csv has one row per judge, claim and part; `whole` is the verdict on the claim as a whole, and `part` a key of
the configuration. PREFIX.md has names (names.py), and says beside a claim's words what was in fact compared.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields

from basics.command_line import command_line
from basics.kinds import dict_of
from basics.settings import check_selection, read_object
from basics.writing import beside, write_text
from reporting.bootstrap import by_prompt
from reporting.claim_answers import (
    MISSING_TOLERATED,
    NO_VARIATION,
    UNITS,
    Answer,
    answer_claims,
    group_by_claim,
)
from reporting.claim_cases import name_of_part, names_of
from reporting.claim_rules import UNKNOWN, overall_verdict, read_claims
from reporting.evidence import varies
from reporting.markdown import markdown_table
from reporting.names import Names
from reporting.scores import read_scores

MODEL = {"family": str, "billions": float}
KEYS = {
    "figures": dict[str, dict[str, list[str]]],
    "models": dict_of(MODEL),
    "families": dict[str, str],
    "methods": dict[str, str],
    "languages": {"seen": list[str], "unseen": list[str]},
    "names": dict[str, str],
    "prompts": int,
    "uncertainty": {"level": float, "resamples": int, "seed": int},
}


# --- the page --------------------------------------------------------------------------------------------------------


def signed_number(value: float | None) -> str:
    """A number with its sign and one decimal; a dash for None."""
    return "–" if value is None else f"{value:+.1f}".replace("-", "−")


def effect_of(part: Answer) -> str:
    """The effect with its interval, if there is one, and its unit, formatted."""
    if part.effect is None:
        return "–"
    effect, low, high = (signed_number(value) for value in (part.effect, part.low, part.high))
    text = f"{effect} {part.unit}" if part.low is None else f"{effect} [{low}, {high}] {part.unit}"
    return text.replace("+", "") if part.unit == UNITS["not_behind"] else text


def ahead_of(part: Answer) -> str:
    """In how many of the cases compared the first series is ahead, a plain count."""
    return "–" if part.ahead is None else f"{part.ahead} of {part.compared}"


def coverage_of(found: Sequence[Answer]) -> str:
    """How many cases of the claim were compared, and how many of their answers have no rating."""
    compared, cases, unrated = (sum(getattr(part, key) for part in found) for key in ("compared", "cases", "unrated"))
    return f"{compared} of {cases}" + (f", {unrated} unrated" if unrated else "")


def verdict_for_other_seeds(found: Sequence[Answer], whole: str) -> str:
    """The verdict on a claim about trainings with any seed: none where a cell has one training."""
    return whole if min(part.trainings for part in found) > 1 else f"{UNKNOWN} ({NO_VARIATION})"


def rate_of(rate: float) -> str:
    """A false-discovery rate with three decimals."""
    return f"{rate:.3f}" if rate >= 0.001 else "< 0.001"


def why_unknown(found: Sequence[Answer]) -> str | None:
    """Why the verdict on a claim is "cannot tell", unless the intervals are the reason."""
    reasons = [part.reason for part in found if part.reason]
    told = ", ".join(dict.fromkeys(reasons))
    return f"{len(reasons)} of {len(found)} parts: {told}" if 0 < len(reasons) < len(found) else told


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
        alone = members[0] if len(members) == 1 else None
        yield {
            "statement": f"{name}: {claim['claim']}",
            "section": claim["section"] + (", bold" if claim["bold"] == "yes" else ""),
            "what was compared": f"{members[0].what}: {coverage_of(members)}",
            "effect": effect_of(alone) if alone else f"{len(members)} parts, below",
            "ahead": ahead_of(alone) if alone else "–",
            "expected": members[0].expected,
            "verdict": f"**{whole}**{remarks(claim, members, whole, figures)}",
            "q": rate_of(members[0].q),
            "other seeds": verdict_for_other_seeds(members, whole),
        }


def part_rows(found: Sequence[Answer], names: Names) -> Iterator[dict]:
    """One row per part, for the claims with several parts."""
    for members in group_by_claim(found).values():
        for part in members if len(members) > 1 else ():
            yield {
                "claim": part.claim,
                "part": name_of_part(part.part, names),
                "effect": effect_of(part),
                "ahead": ahead_of(part),
                "verdict": part.verdict + (f" ({part.reason})" if part.reason else ""),
                "compared": coverage_of([part]),
            }


def claims_page(
    claims: Mapping, found: Mapping[str, list[Answer]], selection: Mapping, note: str, tolerated: float
) -> str:
    """The claims of every judge as Markdown."""
    text = ["# What the scores say about the paper's claims"]
    repeated = any(part.trainings > 1 for members in found.values() for part in members)
    if note:
        text.append(f"**{note}**")
    for judge, members in found.items():
        rows = list(claim_rows(claims, members, selection["figures"]))
        text += [f"## Judge: {judge}", markdown_table(rows, right=["ahead", "q"])]
        lines = list(part_rows(members, names_of(selection)))
        if lines:
            text.append(markdown_table(lines, right=["ahead", "compared"]))
        if any(part.unrated for part in members):
            text.append("Answers without a rating count as 0.")
    return "\n\n".join([*text, *explanations(len(claims), selection, tolerated), about_seeds(repeated)]) + "\n"


def explanations(claims: int, selection: Mapping, tolerated: float) -> list[str]:
    """What a reader of the page has to know, a paragraph each."""
    uncertainty, prompts = selection["uncertainty"], selection["prompts"]
    level = uncertainty["level"]
    needed = next(number for number in range(1, 100) if varies(number, level))
    return [
        "*Statement* is what the paper says, in its words; *what was compared* is what these scores have of it: the"
        " series, methods, models and languages, and how many of all cases had complete answers. *Ahead* is a plain"
        " count of the cases in which the first series scores higher.",
        f"Effects have {100 * level:g} % bootstrap confidence intervals over prompts, from"
        f" {uncertainty['resamples']} resamples of the {prompts} prompts (seed {uncertainty['seed']}), the same for"
        " both runs of a comparison. A claim holds if its whole interval is in the *expected* range, in the unit of the"
        " effect, and does not hold if the whole interval is outside; a claim with several parts holds if all parts do,"
        " and does not hold if one part does not. Verdicts on parts are corrected for the number of parts (Holm), their"
        " intervals are not. For a share of cases, the interval runs from the cases that are certainly not behind to"
        " all that are not certainly behind, all cases taken together (closed testing).",
        f"*Cannot tell (no variation)*: fewer than {needed} of the prompts have another value than the most common one,"
        " as where nearly every answer scores 0; so few can decide nothing. The same verdict is given where more than"
        f" {100 * tolerated:g} % of the ratings are missing: a missing rating is no evidence.",
        f"These are {claims} looks at the same scores. Where there is nothing to find, up to {100 * (1 - level):g} % of"
        f" claims get a verdict by chance, here about {max(round(claims * (1 - level)), 1)}. *q* is the false-discovery"
        " rate over all claims of a judge (Benjamini and Hochberg): of the verdicts with a q of 0.05 or less, about one"
        " in twenty is to be expected to be wrong.",
    ]


def about_seeds(repeated: bool) -> str:
    """What verdicts say of trainings with other seeds, where some cells have several trainings, or none."""
    if repeated:
        return (
            "*Other seeds*: where every cell that a claim compares has several trainings, scores are their means,"
            " intervals contain how much these differ, and the verdict is about trainings with any seed. Elsewhere, it"
            " is about these trained models alone. No interval reflects another judge."
        )
    return (
        "*Other seeds*: every cell has one training. Intervals and verdicts are about these trained models: they"
        " reflect the choice of prompts, not a training with another seed, nor another judge. In simulated studies"
        " without any difference, a claim that there is one gets a verdict in 4 % of studies if trainings with"
        " another seed would score the same, in 9 % (18 % for the most sensitive) if their scores have a standard"
        " deviation of 3 of 150 points, and in 16 % (34 %) at 5 points (docs/benchmarks.md). `seeds` in the"
        " configuration repeats trainings."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--claims", required=True, metavar="FILE", help="the claims (YAML)")
    parser.add_argument(
        "--selection", required=True, metavar="JSON", help="models and languages: a JSON object or its file"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence about these results")
    parser.add_argument(
        "--missing-tolerated",
        type=float,
        default=MISSING_TOLERATED,
        metavar="SHARE",
        help="share of missing ratings above which a claim is not decided (default %(default)s)",
    )
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the files, without suffix")
    options = parser.parse_args(arguments)

    claims = read_claims(options.claims)
    selection = check_selection(read_object(options.selection), "--selection", KEYS)
    scores = read_scores(options.scores, ("rating", "score"))
    uncertainty, tolerated = selection["uncertainty"], options.missing_tolerated
    by_judge = {
        table["judge"][0]: by_prompt(table, selection["prompts"])
        for table in scores.partition_by("judge", maintain_order=True)
    }
    found = {
        judge: answer_claims(judge, claims, known, known.resamples(uncertainty), selection, tolerated)
        for judge, known in by_judge.items()
    }
    write_rows(f"{options.output_prefix}.csv", found, selection)
    write_text(f"{options.output_prefix}.md", claims_page(claims, found, selection, options.note, tolerated))
    for judge, members in found.items():
        whole = [overall_verdict([part.verdict for part in group]) for group in group_by_claim(members).values()]
        counted = ", ".join(f"{whole.count(each)} {each}" for each in dict.fromkeys(whole))
        print(f"claims: {judge}: {counted}", file=sys.stderr)


def write_rows(path: str, found: Mapping[str, list[Answer]], selection: Mapping) -> None:
    """Write the parts of all claims as csv, with the verdict on the whole claim and what intervals depend on."""
    uncertainty = selection["uncertainty"]
    with beside(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as stream:
        columns = [field.name for field in fields(Answer)] + ["whole", *uncertainty, "prompts"]
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for group in (group for members in found.values() for group in group_by_claim(members).values()):
            all_parts = {"whole": overall_verdict([part.verdict for part in group])}
            common = all_parts | uncertainty | {"prompts": selection["prompts"]}
            writer.writerows(asdict(part) | common for part in group)


if __name__ == "__main__":
    command_line(main)
