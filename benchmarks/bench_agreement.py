"""Measure how often the interval of an agreement holds what it is about: prompts resampled, and responses resampled.

    make bench-agreement                            four minutes
    make bench-agreement BENCH="--studies 1000"     twenty minutes

A study is planted: two judges rate the answers of many runs to a few prompts, of which some are harder to agree on than
others. Each rating is a quality cut into 1, 2 and 3, and the quality is the sum of the prompt's, the answer's and the
judge's error, whose size is the prompt's as well. What alpha and kappa are of all prompts that could be asked is
measured on many; an interval of a study should hold it in 95 of 100. Writes agreement.json and agreement.md, and prints
it.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

import numpy as np  # noqa: E402

from basics.command_line import command_line, positive  # noqa: E402
from basics.writing import write_json, write_text  # noqa: E402
from judging.agreement import Measure, alphas, coincidences, interval, kappas, value  # noqa: E402
from judging.ratings import RATINGS  # noqa: E402
from measuring import table  # noqa: E402

CUTS = (-0.6, 0.6)  # of the quality, between ratings 1 and 2, and 2 and 3
ENOUGH = 100_000  # prompts, for what is true of all that could be asked
MEASURES: dict[str, Measure] = {"alpha": alphas, "kappa": kappas}
STUDIES = {  # prompts, answers to each
    "two judges": (50, 100),
    "a sheet for people": (50, 8),
    "the smallest that is reported": (10, 3),
}


class Planted(NamedTuple):
    """Two judges' ratings of the same responses, and the number of each response's prompt."""

    one: np.ndarray
    two: np.ndarray
    prompts: np.ndarray

    def matrices(self, measure: str) -> np.ndarray:
        """The matrix of each response from which a measure is computed."""
        ones, twos = ((given[:, None] == np.array(RATINGS)).astype(int) for given in (self.one, self.two))
        return coincidences(ones + twos) if measure == "alpha" else (ones[:, :, None] * twos[:, None, :]).astype(float)


def plant(prompts: int, answers: int, generator: np.random.Generator) -> Planted:
    """A study of `prompts` prompts with `answers` answers to each."""
    number = np.repeat(np.arange(prompts), answers)
    level = generator.normal(0, 0.7, prompts)[number]
    error = generator.lognormal(-0.7, 0.8, prompts)[number]
    quality = level + generator.normal(0, 0.7, prompts * answers)
    one, two = (1 + np.digitize(quality + generator.normal(0, error), CUTS) for _ in range(2))
    return Planted(one, two, number)


def coverage(prompts: int, answers: int, studies: int, seed: int = 0) -> list[dict]:
    """By measure: its true value, and the share of intervals that hold it, with their mean width, when prompts are
    resampled and when responses are, each taken for a prompt of its own."""
    generator = np.random.default_rng(seed)
    everything = plant(ENOUGH, 8, generator)
    truth = {name: value(everything.matrices(name), measure) for name, measure in MEASURES.items()}
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for _ in range(studies):
        study = plant(prompts, answers, generator)
        resampled = {"prompts": study.prompts, "responses": np.arange(len(study.prompts))}
        for name, measure in MEASURES.items():
            for way, drawn in resampled.items():
                found[name, way].append(interval(study.matrices(name), drawn, measure))
    rows = []
    for name, true in truth.items():
        row = {"measure": name, "true": true}
        for way in ("prompts", "responses"):
            low, high = np.transpose(found[name, way])
            row |= {way: float(np.mean((low <= true) & (true <= high))), f"width, {way}": float(np.mean(high - low))}
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=positive, default=200, help="planted studies of each size (default 200)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    found = {name: coverage(*size, arguments.studies) for name, size in STUDIES.items()}
    heads = ["study", "prompts", "answers", "measure", "prompts resampled", "width", "responses resampled", "width"]
    report = table(
        heads,
        [
            [name, *STUDIES[name], f"{row['measure']}, {row['true']:.3f}"]
            + [text for way in ("prompts", "responses") for text in (f"{row[way]:.1%}", f"{row[f'width, {way}']:.3f}")]
            for name, rows in found.items()
            for row in rows
        ],
    )
    write_json(arguments.output / "agreement.json", found)
    write_text(arguments.output / "agreement.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
