"""Try translation on a node: the configured model and engine on the first rows of the seed, as in the run.

Findings (planning/trials.py) have in `measured`: rows, workers, rows_per_second (of one core, with the engine's start)
and translation, one of them. A processor without AVX2, on which translations would differ, is a fault.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.reading import iter_jsonl, read_jsonl
from basics.writing import write_jsonl
from planning.trials import trial
from translating.engine import CHOICES

PROGRAMS = Path(__file__).parent
ROWS = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", required=True, type=Path, help="JSON lines of id, instruction, input, output")
    parser.add_argument("--model", required=True, type=Path, help="folder made by translation_model.py")
    parser.add_argument("--language", required=True, help="target language")
    parser.add_argument("--chunk-rows", required=True, type=positive, help="row ids per request")
    parser.add_argument("--engine-python", required=True, type=Path, help="Python 3.10 with bergamot")
    parser.add_argument("--workers", required=True, type=positive, help="the engine's threads")
    parser.add_argument("--kernels", required=True, choices=CHOICES, help="the engine's kernels")
    parser.add_argument("--hosts", nargs="*", default=[], help="hosts of downloads, which are tried")
    parser.add_argument("--output", required=True, type=Path, help="JSON: the findings")
    arguments = parser.parse_args()
    with trial(arguments.output, arguments.hosts) as here:
        names = ("seed.jsonl", "segments.jsonl", "journal.jsonl", "translated.jsonl")
        seed, segments, journal, translated = (here.folder / name for name in names)
        rows = list(islice(iter_jsonl(arguments.seed), ROWS))
        write_jsonl(seed, rows)
        with here.step("segments"):
            options = ["--seed", seed, "--chunk-rows", arguments.chunk_rows, "--output", segments]
            here.run([PROGRAMS / "segment.py", *options], "segments.log")
        with here.step("translation"):
            options = ["--segments", segments, "--model", arguments.model, "--language", arguments.language]
            options += ["--engine-python", arguments.engine_python, "--workers", arguments.workers]
            options += ["--kernels", arguments.kernels]
            options += ["--journal", journal, "--output", translated]
            seconds = here.run([PROGRAMS / "translate_shard.py", *options], "translation.log")
            texts = [text for row in read_jsonl(translated) for text in row["translations"]]
            if not any(text.strip() for text in texts):
                raise InputError(f"{arguments.model}: every translation is empty; make the model's folder again")
        here.measured |= {"rows": len(rows), "workers": arguments.workers, "translation": texts[0][:200]}
        here.measured["rows_per_second"] = round(len(rows) / seconds / arguments.workers, 3)
    print(f"{arguments.output}: ok, {here.measured['rows_per_second']} rows/s", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
