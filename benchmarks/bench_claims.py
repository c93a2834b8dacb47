"""Measure how far the verdicts on claims can be trusted: coverage near the floor, false verdicts, power.

    make bench-claims                            seven minutes
    make bench-claims BENCH="--studies 200"      a minute and a half

*Coverage*: cells in which a given share of the answers scores 0, and pairs of such cells; an interval of fifty prompts
should hold the true value in 95 of 100 studies, or not be given. *False verdicts*: studies of the paper's whole matrix
in which all cells are alike (synthetic_scores.py), so that a claim that a difference exists should get a verdict in at
most 5 of 100. Trainings with another seed would score the same, or differ by a standard deviation of 3 or 5 of 150
points; a training's deviation is the same in all languages, and there is one training for each cell, so that no
interval knows of it. *Power*: how often `families` holds if multilingual tuning is ahead by as much in all 24 cases.
Writes claims.json and claims.md, and prints it.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path += [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "benchmarks")]

import numpy as np  # noqa: E402

import claims  # noqa: E402
import synthetic_scores  # noqa: E402
from basics.command_line import command_line, positive  # noqa: E402
from basics.writing import write_json, write_text  # noqa: E402
from measuring import Notebook, processor, table  # noqa: E402
from reporting.bootstrap import Cell, confidence_interval, draw_resamples  # noqa: E402
from reporting.claim_rules import FAILS, HOLDS, overall_verdict, read_claims  # noqa: E402
from reporting.evidence import weigh  # noqa: E402
from reporting.simulation import Expected, simulate  # noqa: E402

PROMPTS, LEVEL, RESAMPLES = 50, 0.95, 2000
POINTS = 3 * PROMPTS
ZEROS = (0.0, 0.5, 0.8, 0.9, 0.92, 0.94, 0.95, 0.96, 0.98, 0.99)
RATING = 1.7  # mean of the answers that do not score 0
SEEDS = {  # by column of the table: the standard deviation of trainings with other seeds, in points; trainings a cell
    "one training, seeds alike": (0, 1),
    "one, by 3 points": (3, 1),
    "one, by 5 points": (5, 1),
    "three trainings, seeds alike": (0, 3),
    "three, by 3 points": (3, 3),
    "three, by 5 points": (5, 3),
}
AHEAD = (20, 25, 30)  # points
MATCHES = (0.98, 0.95, 0.9)  # shares of the answers in the right language
CLAIMS = read_claims(REPOSITORY / "resources" / "claims.yaml")
DRAWN = draw_resamples(PROMPTS, RESAMPLES, 42)
CONFIG = synthetic_scores.read_config()
CELLS = synthetic_scores.matrix(CONFIG)
Verdicts = dict[str, tuple[str, float]]  # by claim: its verdict and false-discovery rate


# --- coverage --------------------------------------------------------------------------------------------------------


def near_the_floor(zeros: float, studies: int, random: np.random.Generator) -> np.ndarray:
    """Scores of shape (studies, prompts), of which a share is 0."""
    rated = 1 + random.binomial(2, (RATING - 1) / 2, (studies, PROMPTS))
    return np.where(random.random((studies, PROMPTS)) < zeros, 0.0, rated)


def coverage(studies: int, seed: int = 0) -> list[dict]:
    """By share of zeros, of a cell and of its difference from one with half as many answers above 0: how many intervals
    hold the truth or are not given, how many of those given hold it, how many are not given, and how many plain
    intervals would hold it."""
    random = np.random.default_rng(seed)
    rows = []
    for zeros in ZEROS:
        less = (1 + zeros) / 2
        one, other = (near_the_floor(share, studies, random) for share in (zeros, less))
        for name, values, true in (
            ("cell", one, (1 - zeros) * RATING * PROMPTS),
            ("pair", one - other, (less - zeros) * RATING * PROMPTS),
        ):
            plain, known = [], []
            for row in values:
                low, high = confidence_interval(DRAWN.sums(row), LEVEL, PROMPTS)
                plain.append(low <= true <= high)
                known.append(weigh(row, DRAWN, LEVEL, {"above": 0.0}).low is not None)
            covered, given = np.array(plain), np.array(known)
            rows.append(
                {
                    "zeros": zeros,
                    "of": name,
                    "covered": float((covered | ~given).mean()),
                    "covered if given": float(covered[given].mean()) if given.any() else None,
                    "given": float(given.mean()),
                    "plain": float(covered.mean()),
                }
            )
    return rows


# --- false verdicts --------------------------------------------------------------------------------------------------


def selection_of(config: Mapping) -> dict:
    """What the workflow tells claims.py of a configuration."""
    return {
        "figures": {
            figure: {
                method: [model for name in names for model in config["select"][name]]
                for method, names in content["runs"].items()
            }
            for figure, content in config["figures"].items()
        },
        "models": config["models"],
        "families": {family: entry["label"] for family, entry in config["families"].items()},
        "methods": {"lora": "LoRA", "full": "Full-parameter"},
        "languages": config["languages"],
        "names": {lang: lang for key in ("seen", "unseen") for lang in config["languages"][key]},
        "prompts": PROMPTS,
        "uncertainty": {"level": LEVEL, "resamples": RESAMPLES, "seed": 42},
    }


SELECTION = selection_of(CONFIG)


def asked(cells: list[Cell], planned: list[list[Expected]], seed: int, wanted: Mapping = CLAIMS) -> Verdicts:
    """The verdicts on claims in a study with a plan for each of its trainings a cell; all answer the same prompts."""
    by_cell = dict(zip(cells, zip(*planned, strict=True), strict=True))
    scores = simulate(by_cell, PROMPTS, seed)
    drawn = scores.resamples(SELECTION["uncertainty"])
    found = claims.group_by_claim(claims.answer_claims("synthetic", wanted, scores, drawn, SELECTION))
    return {name: (overall_verdict([part.verdict for part in parts]), parts[0].q) for name, parts in found.items()}


def with_seeds(planned: list[Expected], deviation: float, random: np.random.Generator) -> list[Expected]:
    """A plan in which each training (method, model, recipe) deviates, in points, by as much in all of its languages."""
    shifts = {training: random.normal(0, deviation) for training in dict.fromkeys(cell[:3] for cell in CELLS)}
    return [
        plan._replace(rating=min(max(plan.rating + shifts[cell[:3]] / PROMPTS / plan.match, 1.0), 3.0))
        for cell, plan in zip(CELLS, planned, strict=True)
    ]


def wrong_verdicts() -> dict[str, set[str]]:
    """By claim: the verdicts that are wrong where all cells are alike. Where the truth lies on a bound, both are."""
    planned = synthetic_scores.expected(synthetic_scores.nothing, CELLS, CONFIG)
    scores = synthetic_scores.planted(CELLS, planned, PROMPTS)
    found = claims.group_by_claim(claims.answer_claims("synthetic", CLAIMS, scores, DRAWN, SELECTION))
    wrong = {}
    for name, parts in found.items():
        effect, bounds = parts[0].effect, [bound * POINTS / 100 for bound in CLAIMS[name]["expect"].values()]
        if CLAIMS[name]["statistic"] == "not_behind":
            wrong[name] = {FAILS} if "margin" in CLAIMS[name] else {HOLDS, FAILS}
        elif any(math.isclose(effect, bound, abs_tol=1e-6) for bound in bounds):
            wrong[name] = {HOLDS, FAILS}
        else:
            within = all(bound < effect if side in ("above", "at_least") else effect < bound
                         for side, bound in zip(CLAIMS[name]["expect"], bounds, strict=True))  # fmt: skip
            wrong[name] = {FAILS} if within else {HOLDS}
    return wrong


def false_verdicts(deviation: float, trainings: int, studies: int) -> dict:
    """Where all cells are alike, and trainings with other seeds have a standard deviation in points: how often each
    claim gets a wrong verdict, how often at least one does, and how often one that counts as a discovery at a rate of
    0.05; and the share of verdicts that are wrong."""
    planned = synthetic_scores.expected(synthetic_scores.nothing, CELLS, CONFIG)
    random, wrong = np.random.default_rng(int(deviation)), wrong_verdicts()
    counted: Counter[tuple[str, str]] = Counter()
    any_wrong = any_discovered = 0
    open_ended = [name for name, verdicts in wrong.items() if len(verdicts) == 2]
    for seed in range(studies):
        found = asked(CELLS, [with_seeds(planned, deviation, random) for _ in range(trainings)], seed)
        mistakes = {name: rate for name, (verdict, rate) in found.items() if verdict in wrong[name]}
        counted.update((name, found[name][0]) for name in mistakes)
        any_wrong += bool(mistakes)
        any_discovered += any(rate <= 1 - LEVEL for rate in mistakes.values())
    return {
        "claims": {
            name: {verdict: counted[name, verdict] / studies for verdict in sorted(wrong[name])} for name in CLAIMS
        },
        "mean": sum(counted[name, verdict] for name in open_ended for verdict in wrong[name])
        / studies
        / len(open_ended),
        "any": any_wrong / studies,
        "any discovered": any_discovered / studies,
    }


def power(points: float, match: float, studies: int) -> float:
    """How often `families` holds where multilingual tuning is ahead by some points in every case, and a share of the
    answers is in the right language."""
    cells = [cell for cell in CELLS if cell[0] == "lora" and cell[1] in CONFIG["select"]["seven-billion"]]
    planned = [Expected(2 + points / PROMPTS / match * (cell[2] == "multilingual"), match) for cell in cells]
    wanted = {"families": CLAIMS["families"]}
    return sum(asked(cells, [planned], seed, wanted)["families"][0] == HOLDS for seed in range(studies)) / studies


# --- report ----------------------------------------------------------------------------------------------------------


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def report(covered: Sequence[Mapping], wrong: Mapping[str, Mapping], holds: Mapping[float, Mapping]) -> str:
    """The three tables."""
    heads = ["scores of 0", "what", "covered or not given", "covered if given", "given", "covered, plain bootstrap"]
    keys = ("covered", "covered if given", "given", "plain")
    first = table(heads, [[f"{row['zeros']:.0%}", row["of"], *(percent(row[key]) for key in keys)] for row in covered])
    everywhere = {
        "mean": "mean of those with both",
        "any": "at least one claim",
        "any discovered": "at least one, q ≤ 0.05",
    }
    rows = [
        [name, " or ".join(sorted(next(iter(wrong.values()))["claims"][name], reverse=True))]
        + [percent(sum(found["claims"][name].values())) for found in wrong.values()]
        for name in CLAIMS
    ] + [[label, ""] + [percent(found[key]) for found in wrong.values()] for key, label in everywhere.items()]
    second = table(["claim", "wrong is", *wrong], rows)
    heads = ["ahead by, points of 150", *(f"{match:.0%} in the right language" for match in MATCHES)]
    third = table(heads, [[points, *map(percent, found.values())] for points, found in holds.items()])
    return "\n".join([f"{processor()}, one core.", "", first, second, third])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=positive, default=1000, help="studies of each kind (default 1000)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    notebook = Notebook()
    covered = coverage(arguments.studies)
    notebook.log("coverage")
    wrong = {}
    for name, (deviation, trainings) in SEEDS.items():
        wrong[name] = false_verdicts(deviation, trainings, arguments.studies)
        notebook.log(f"false verdicts: {name}")
    holds = {points: {match: power(points, match, arguments.studies) for match in MATCHES} for points in AHEAD}
    found = report(covered, wrong, holds)
    write_json(arguments.output / "claims.json", {"coverage": covered, "false verdicts": wrong, "power": holds})
    write_text(arguments.output / "claims.md", found)
    print(found)


if __name__ == "__main__":
    command_line(main)
