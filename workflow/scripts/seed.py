"""Convert instruction data to one format: JSON lines of id, instruction, input, output.

Reads the Alpaca format, a JSON list or JSON lines of objects with instruction, input (may be absent) and output.
The id is the number of the row in the source, from 0, and stays with the row through translation and sampling.

--rows keeps a random sample of that many rows, in the order of the source and with their ids in it. Which rows these
are depends only on --random-seed and on the number of rows in the source.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.writing import write_jsonl
from data.rows import check_sample, normalise, read_rows, sample_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, type=Path, help="the data as published")
    parser.add_argument("--output", required=True, type=Path, help="JSON lines to write")
    parser.add_argument("--rows", type=positive, help="size of the sample (default: all rows)")
    parser.add_argument("--random-seed", type=int, help="of the sample")
    arguments = parser.parse_args()
    if arguments.rows and arguments.random_seed is None:
        raise InputError("--rows: a sample needs a --random-seed")
    rows = normalise(read_rows(arguments.input), arguments.input)
    read = f"{len(rows):,} rows"
    if arguments.rows:
        check_sample(arguments.rows, len(rows), arguments.input)
        rows = sample_rows(rows, arguments.rows, arguments.random_seed)
    write_jsonl(arguments.output, rows)
    print(f"{arguments.output}: {f'{len(rows):,} of ' if arguments.rows else ''}{read}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
