"""Token ids with Alpaca's lengths, as tokenize_recipe.py writes them: for measuring training.

Lengths are drawn from a log-normal distribution and clipped to SHORTEST and LONGEST: 120 tokens on average, and one row
in two hundred cut at the limit. The ids are meaningless: the cost of a step depends only on how many there are.
"""

import math
import random
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

from basics.writing import beside  # noqa: E402
from training.examples import recipe_features  # noqa: E402

MEAN, SPREAD = 120, 0.65  # tokens per row before clipping; the standard deviation of their logarithm
SHORTEST, LONGEST = 24, 512
PROMPT_SHARE = 0.45  # share of a row's tokens
RESERVED = 2  # ids that occur in no row: end of text, padding


def synthetic_lengths(count: int, seed: int) -> list[int]:
    """The numbers of tokens of `count` rows."""
    draw = random.Random(f"lengths {seed}")
    middle = math.log(MEAN) - SPREAD**2 / 2
    return [round(min(max(draw.lognormvariate(middle, SPREAD), SHORTEST), LONGEST)) for _ in range(count)]


def synthetic_tokens(count: int, words: int, seed: int) -> list[dict]:
    """`count` rows with ids below `words`; the same seed gives the same rows."""
    draw = random.Random(f"ids {seed}")
    return [
        {
            "id": number,
            "lang": "en",
            "input_ids": [draw.randrange(RESERVED, words) for _ in range(length)],
            "prompt_length": int(length * PROMPT_SHARE),
            "length": length,
        }
        for number, length in enumerate(synthetic_lengths(count, seed))
    ]


def write_tokens(folder: Path, train: list[dict], validation: list[dict]) -> None:
    """Write both splits as a tokenized recipe."""
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    splits = {"train": train, "validation": validation}
    with beside(folder) as written:
        DatasetDict(
            {name: Dataset.from_list(rows, features=recipe_features()) for name, rows in splits.items()}
        ).save_to_disk(written)
