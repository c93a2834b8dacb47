"""Save the configuration that results were made with, beside them."""

import argparse
from pathlib import Path

from basics.command_line import command_line
from basics.writing import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="the merged configuration, as YAML")
    parser.add_argument("--output", required=True, type=Path, help="YAML file")
    arguments = parser.parse_args()
    write_text(arguments.output, arguments.text)


if __name__ == "__main__":
    command_line(main)
