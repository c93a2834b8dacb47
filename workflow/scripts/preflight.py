"""Write what was found out about each kind of job, as RESULTS/preflight.md, and fail if anything is to be done.

--about is a JSON object, or its file: results (folder, with the findings in preflight/); kinds (what each asks for, in
words, by its path); downloads (files); assumed (`plan` of the configuration); needed (bytes); parameters (by model).
"""

import argparse
import sys

from basics.command_line import command_line
from planning.preflight import read_about, write_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--about", required=True, metavar="JSON", help="object or file, see above")
    arguments = parser.parse_args()
    faults = write_page(read_about(arguments.about))
    if faults:
        sys.exit("\n".join(f"error: {fault}" for fault in faults))


if __name__ == "__main__":
    command_line(main)
