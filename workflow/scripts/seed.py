"""Convert instruction data to one format: JSON lines of id, instruction, input, output.

Reads the Alpaca format, a JSON list or JSON lines of objects with instruction, input (may be absent) and output.
The id is the number of the row in the source, from 0, and stays with the row through translation and sampling.
"""

import argparse
import sys
from pathlib import Path

from basics.command_line import command_line
from basics.writing import write_jsonl
from data.rows import normalise, read_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    rows = normalise(read_rows(arguments.input), arguments.input)
    write_jsonl(arguments.output, rows)
    print(f"{arguments.output}: {len(rows):,} rows", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
