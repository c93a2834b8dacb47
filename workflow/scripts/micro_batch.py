"""Find how many tokens a micro-batch may hold: the most that fit into this GPU's memory, by running the training.

  micro_batch.py --length 512 --settings JSON --output FILE -- launch.py --ranks 4 train.py --method full ...

After -- comes the command line of the training, without --settings, --tokens and --output. It is rehearsed for a few
steps, each time in new processes, with rows of --length tokens that are all labelled: one row per micro-batch, then
four times as many as before until memory is full, then as many as an extrapolation from the last two suggests. What
fits leaves a tenth of the memory free. On a CPU, --memory gives the memory of each rank. With --within, no further try
is made after so many seconds: what fits by then is used.

The output (JSON) has tokens, and what was tried: tokens, peak_memory (bytes per rank; null: out of memory).
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.reading import read_json
from basics.settings import read_object
from basics.writing import write_json

GROWTH = 4
REFINEMENTS = 3  # guesses between a number that fits and one that does not
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
USABLE_SHARE = 0.9  # of the memory, as it becomes fragmented during training
MOST_TOKENS = 32_768  # a larger micro-batch only gets more padding


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
    """Runs the training command on a few rows, and keeps what it reports about its device."""

    def __init__(self, command: list[str], settings: dict, length: int, memory: int | None):
        self._command, self._settings, self._length, self._memory = command, settings, length, memory
        self.device: dict = {}

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
        peak = self.device.pop("peak_memory")
        self.log(tokens, f"{peak / 2**30:.2f} GiB")
        return peak

    def log(self, tokens: int, text: str) -> None:
        print(f"{tokens:,} tokens per micro-batch: {text}", file=sys.stderr, flush=True)

    def limit(self) -> int:
        """Bytes that a rank may use."""
        memory = self.device.get("device_memory") or self._memory
        if not memory:
            raise InputError("--memory: give the memory of a rank in bytes; only that of a GPU is known")
        return int(USABLE_SHARE * memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", required=True, type=positive, help="tokens of the longest row, tokenize.max_length")
    parser.add_argument("--memory", type=positive, metavar="BYTES", help="memory of a rank, if there is no GPU")
    parser.add_argument("--settings", required=True, metavar="JSON", help="of train.py; micro_batch_tokens is replaced")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    parser.add_argument("--within", type=positive, metavar="SECONDS", help="time for tries (default: no limit)")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the training command, after --")
    arguments = parser.parse_args()
    rehearse = Rehearsals(arguments.command, read_object(arguments.settings), arguments.length, arguments.memory)
    end = time.monotonic() + arguments.within if arguments.within else math.inf
    fit = Fit(rehearse, rehearse.limit, lambda: time.monotonic() > end)
    rows = fit.largest(max(1, MOST_TOKENS // arguments.length))
    if not rows:
        peak = fit.peaks[1]
        needs = f"needs {peak / 2**30:.1f} GiB" if peak else "does not fit"
        raise InputError(
            f"one row of {arguments.length} tokens {needs}: recompute activations, offload, use ZeRO stage 3"
            " or more ranks (config: compute), or ask for GPUs with more memory"
        )
    tried = [{"tokens": rows * arguments.length, "peak_memory": peak} for rows, peak in sorted(fit.peaks.items())]
    write_json(arguments.output, {"tokens": rows * arguments.length, "tried": tried, **rehearse.device})
    print(f"{arguments.output}: {rows * arguments.length:,} tokens per micro-batch", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
