"""Instruction rows of nonsense words in the shape of Alpaca, for measuring the translation's speed and memory.

    synthetic_rows.py --rows 1000 --repeated 0.05 --numbers 0.08 --output rows.jsonl

The real data may not be redistributed. What matters for speed is kept, as measured on a thousand real rows: 124 words
of prose per row in 5 to 6 segments; instructions of 10 words, an input in 41 % of the rows, outputs from 8 words (first
decile) to 280 (ninth); sentences of 15 words; word frequencies that follow Zipf's law; numbered and bulleted lists in
27 % of the rows, several paragraphs in another 25 %, code in 4 %. `--repeated` sets the share of words in segments that
an earlier row already has, `--numbers` the share of sentences with a number, which translate_shard.py wants to find
again in the translation. The same seed gives the same bytes.
"""

import argparse
import bisect
import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

from basics.command_line import command_line  # noqa: E402
from basics.writing import write_jsonl  # noqa: E402

LEXICON = 40_000  # distinct words
OUTPUT_WORDS = (1, 8, 13, 24, 46, 81, 118, 170, 225, 279, 350)  # deciles
WITH_INPUT, LISTS, PARAGRAPHS, CODE = 0.41, 0.27, 0.25, 0.04  # shares of the rows
CONSONANTS = ("b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "ch", "pl")
VOWELS = ("a", "e", "i", "o", "u", "ea", "io")
CLOSINGS = ("", "n", "r", "s", "t", "l", "ng")


def lexicon() -> list[str]:
    """Distinct pronounceable words, always the same, the most frequent first; frequent words are short, as in real
    languages.
    """
    draw = random.Random(0)
    words: dict[str, None] = {}
    while len(words) < LEXICON:
        syllables = 1 if len(words) < 150 else draw.choice((1, 2, 2, 3) if len(words) < 3000 else (2, 3, 3, 4))
        word = "".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(syllables)) + draw.choice(CLOSINGS)
        words[word] = None
    return list(words)


class Writer:
    """Writes rows one after another, and repeats itself as often as told."""

    def __init__(self, seed: int, repeated: float, numbers: float, length: float):
        self.draw = random.Random(seed)
        self.repeated = repeated
        self.numbers = numbers
        self.length = length
        self.words = lexicon()
        self.weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(LEXICON)))
        self.said: dict[str, list[str]] = {}  # segments of each kind that may be repeated

    def _word(self) -> str:
        return self.words[bisect.bisect(self.weights, self.draw.random() * self.weights[-1])]

    def _sentence(self, longest: int, end: str = ".") -> str:
        length = min(longest, max(2, round(self.draw.lognormvariate(2.5, 0.6))))
        words = [self._word() for _ in range(length)]
        words[0] = words[0].capitalize()
        if length > 8:
            words[length // 2] += ","
        if self.draw.random() < self.numbers:
            words[-1] = str(self.draw.randrange(2, 2000))
        return " ".join(words) + end

    def _segment(self, kind: str, words: int, end: str = ".") -> str:
        """Sentences with `words` words or, in the share given by `repeated`, an earlier segment of this kind and about
        this length.
        """
        kind = f"{kind} {words.bit_length()}"
        pool = self.said.setdefault(kind, [])
        if pool and self.draw.random() < self.repeated:
            return self.draw.choice(pool)
        sentences, left = [], words
        while left > 0:
            sentences.append(self._sentence(left, end))
            left -= len(sentences[-1].split())
        pool.append(" ".join(sentences))
        return pool[-1]

    def _code(self) -> str:
        name, argument, other = (self._word() for _ in range(3))
        lines = [f"def {name}({argument}, {other}=10):", f"    for i in range({other}):"]
        lines += [
            f"        {argument}[i] = {self._word()}({argument}[i] + {n})" for n in range(self.draw.randrange(1, 9))
        ]
        return "\n".join(["```python", *lines, f"    return {argument}", "```"])

    def _parts(self, words: int) -> Iterator[int]:
        """Split a number of words into the numbers for each line or paragraph."""
        while words > 0:
            part = min(words, self.draw.randrange(4, 40))
            yield part
            words -= part

    def _output(self) -> str:
        decile, within = divmod(self.draw.random() * 10, 1)
        low, high = OUTPUT_WORDS[int(decile) : int(decile) + 2]
        words = max(1, round(self.length * (low + within * (high - low))))
        form = self.draw.random()
        if form < LISTS:
            marker = self.draw.choice(("- ", "* ", "{}. ", "{}. "))
            parts = enumerate(self._parts(words), start=1)
            return "\n".join(marker.format(number) + self._segment("item", part) for number, part in parts)
        if form < LISTS + PARAGRAPHS:
            return "\n\n".join(self._segment("paragraph", part) for part in self._parts(words))
        if form < LISTS + PARAGRAPHS + CODE:
            return self._segment("paragraph", min(words, 30)) + "\n\n" + self._code()
        return self._segment("paragraph", words)

    def row(self) -> dict[str, str]:
        instruction = self._segment("instruction", self.draw.randrange(5, 16), self.draw.choice(".?"))
        given = self.draw.random() < WITH_INPUT
        return {
            "instruction": instruction,
            "input": self._segment("input", self.draw.randrange(2, 20)) if given else "",
            "output": self._output(),
        }


def synthetic_rows(
    count: int, repeated: float, numbers: float = 0.0, length: float = 1.0, seed: int = 1
) -> Iterator[dict[str, str]]:
    """Rows of instruction, input and output."""
    writer = Writer(seed, repeated, numbers, length)
    return (writer.row() for _ in range(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--repeated", type=float, default=0.02, help="share of words in repeated segments")
    parser.add_argument("--numbers", type=float, default=0.0, help="share of sentences with a number")
    parser.add_argument("--length", type=float, default=1.0, help="of the outputs, 1 for Alpaca's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows = synthetic_rows(arguments.rows, arguments.repeated, arguments.numbers, arguments.length, arguments.seed)
    write_jsonl(arguments.output, rows)


if __name__ == "__main__":
    command_line(main)
