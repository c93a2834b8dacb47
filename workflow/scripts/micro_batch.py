"""Find the size of a micro-batch, in tokens, at which training is fastest, of those that fit into memory.

  micro_batch.py --length 512 --tokens FOLDER --settings JSON --output FILE -- launch.py --ranks 4 train.py ...

After -- comes the command line of the training, without --settings, --tokens and --output. It is rehearsed for a few
steps, each time in new processes, with rows of --length tokens that are all labelled: one row per micro-batch, then
four times as many as before until memory is full, then as many as an extrapolation from the last two suggests. What
fits leaves a tenth of the memory free. On a CPU, --memory gives the memory of each rank.

A larger micro-batch keeps a device busier, but rows of more different lengths are padded to the longest. So each size
counts by the tokens that it processes per second, times the share of them that is no padding, in micro-batches cut from
the rows of a tokenized recipe, --tokens; half and twice the best are tried, too. With --within, no further try is made
after so many seconds: what is best by then is used.

The output (JSON) has tokens, and what was tried: tokens, peak_memory (bytes per rank; null: out of memory),
tokens_per_second (of all ranks, with padding) and real_share (without).
"""

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.reading import read_json
from basics.settings import read_object, read_settings
from basics.writing import write_json
from training.examples import load_tokens
from training.settings import Settings
from training.steps import StepSampler

GROWTH = 4
REFINEMENTS = 3  # guesses between a number that fits and one that does not
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
USABLE_SHARE = 0.9  # of the memory, as it becomes fragmented during training
MOST_TOKENS = 32_768  # a larger micro-batch only gets more padding
STEPS = 20  # of a training, whose padding stands for that of all


class Fit:
    """Finds how many rows fit: `rehearse` gives the peak memory of a number of rows, None if out of memory. Once it
    `is_over`, what is known to fit will do.
    """

    def __init__(
        self,
        rehearse: Callable[[int], int | None],
        limit: Callable[[], int],
        is_over: Callable[[], bool] = lambda: False,
    ):
        self._rehearse, self._limit, self._is_over = rehearse, limit, is_over
        self.peaks: dict[int, int | None] = {}

    def fits(self, rows: int) -> bool:
        if rows not in self.peaks:
            self.peaks[rows] = self._rehearse(rows)
        peak = self.peaks[rows]
        return peak is not None and peak <= self._limit()

    def largest(self, upper: int) -> int:
        """The largest number of rows found to fit, at most `upper`; 0 if not even one fits."""
        rows, good = 1, 0
        while self.fits(rows):
            good = rows
            if rows == upper or self._is_over():
                return rows
            rows = min(rows * GROWTH, upper)
        guess = self._extrapolate(good, rows) if good else 0
        for _ in range(REFINEMENTS):
            if self._is_over():
                break
            if guess > good and self.fits(guess):
                return guess
            guess = (good + guess) // 2
        return good

    def _extrapolate(self, good: int, too_many: int) -> int:
        """The rows that the limit allows if memory keeps growing as it did between the last two measurements."""
        seen = [(rows, peak) for rows, peak in sorted(self.peaks.items()) if peak is not None]
        if len(seen) < 2:
            return too_many - 1
        (fewer, less), (more, most) = seen[-2:]
        a_row = (most - less) / (more - fewer)
        rows = fewer + int((self._limit() - less) / a_row) if a_row > 0 else too_many - 1
        return min(rows, too_many - 1)


class Rehearsals:
    """Runs the training command on a few rows, and keeps what it reports: about its device, and `speeds`, the tokens
    per second by number of rows."""

    def __init__(self, command: list[str], settings: dict, length: int, memory: int | None):
        self._command, self._settings, self._length, self._memory = command, settings, length, memory
        self.device: dict = {}
        self.speeds: dict[int, float] = {}

    def __call__(self, rows: int) -> int | None:
        """Peak memory per rank in bytes, None if out of memory. Raises InputError if the command fails otherwise."""
        tokens = rows * self._length
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "rehearsal.json"
            settings = json.dumps(self._settings | {"micro_batch_tokens": tokens})
            options = ["--settings", settings, "--rehearse", str(self._length), "--output", str(output)]
            options += ["--checkpoints", str(Path(folder) / "checkpoints")]
            command = [sys.executable, *self._command, *options]
            run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if run.returncode:
                if any(sign in run.stdout for sign in OUT_OF_MEMORY):
                    self.log(tokens, "out of memory")
                    return None
                lines = [line for line in run.stdout.splitlines() if line.startswith("error: ")] or ["no message"]
                raise InputError(f"rehearsal with {tokens:,} tokens: {lines[0].removeprefix('error: ')}")
            self.device = read_json(output)
        peak, self.speeds[rows] = self.device.pop("peak_memory"), self.device.pop("tokens_per_second")
        self.log(tokens, f"{peak / 2**30:.2f} GiB, {self.speeds[rows]:,.0f} tokens per second")
        return peak

    def log(self, tokens: int, text: str) -> None:
        print(f"{tokens:,} tokens per micro-batch: {text}", file=sys.stderr, flush=True)

    def limit(self) -> int:
        """Bytes that a rank may use."""
        memory = self.device.get("device_memory") or self._memory
        if not memory:
            raise InputError("--memory: give the memory of a rank in bytes; only that of a GPU is known")
        return int(USABLE_SHARE * memory)


class Padding:
    """The share of real tokens in the micro-batches of a training on a tokenized recipe, by number of tokens.

    With several ranks, each has some of these micro-batches.
    """

    def __init__(self, recipe: Path, batch: int, order: str):
        lengths = load_tokens(recipe)["train"]["length"]
        self._lengths = random.Random("padding").sample(list(lengths), min(len(lengths), STEPS * batch))
        self._batch, self._order = batch, order

    def real_share(self, tokens: int) -> float:
        """The share for micro-batches of at most so many tokens."""
        sampler = StepSampler(self._lengths, self._batch, tokens, seed=0, order=self._order)
        return sum(self._lengths) / sampler.padded_tokens()


def fastest(worth: Callable[[int], float], fit: Fit, most: int, is_over: Callable[[], bool]) -> int:
    """Of the numbers of rows that fit, up to `most`, the one that is worth most, after a look at its neighbours."""

    def best() -> int:
        return max((rows for rows in sorted(fit.peaks) if rows <= most and fit.fits(rows)), key=worth)

    middle = best()
    for rows in (middle // 2, middle * 2):
        if 1 <= rows <= most and not is_over():
            fit.fits(rows)
    return best()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", required=True, type=positive, help="tokens of the longest row, tokenize.max_length")
    parser.add_argument("--memory", type=positive, metavar="BYTES", help="memory of a rank, if there is no GPU")
    parser.add_argument("--tokens", type=Path, metavar="FOLDER", help="tokenized recipe (default: no padding counts)")
    parser.add_argument("--settings", required=True, metavar="JSON", help="of train.py; micro_batch_tokens is replaced")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    parser.add_argument("--within", type=positive, metavar="SECONDS", help="time for tries (default: no limit)")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the training command, after --")
    arguments = parser.parse_args()
    settings = read_settings(Settings, arguments.settings)
    padding = Padding(arguments.tokens, settings.batch, settings.order) if arguments.tokens else None
    rehearse = Rehearsals(arguments.command, read_object(arguments.settings), arguments.length, arguments.memory)
    end = time.monotonic() + arguments.within if arguments.within else math.inf

    def is_over() -> bool:
        return time.monotonic() > end

    def real_share(rows: int) -> float:
        return padding.real_share(rows * arguments.length) if padding else 1.0

    fit = Fit(rehearse, rehearse.limit, is_over)
    most = fit.largest(max(1, MOST_TOKENS // arguments.length))
    if not most:
        peak = fit.peaks[1]
        needs = f"needs {peak / 2**30:.1f} GiB" if peak else "does not fit"
        raise InputError(
            f"one row of {arguments.length} tokens {needs}: recompute activations, offload, use ZeRO stage 3"
            " or more ranks (config: compute), or ask for GPUs with more memory"
        )
    rows = fastest(lambda rows: rehearse.speeds[rows] * real_share(rows), fit, most, is_over)
    tried = [
        {"tokens": rows * arguments.length, "peak_memory": peak, "tokens_per_second": rehearse.speeds.get(rows)}
        | {"real_share": real_share(rows)}
        for rows, peak in sorted(fit.peaks.items())
    ]
    write_json(arguments.output, {"tokens": rows * arguments.length, "tried": tried, **rehearse.device})
    print(
        f"{arguments.output}: {rows * arguments.length:,} tokens per micro-batch, of up to"
        f" {most * arguments.length:,} that fit",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line(main)
