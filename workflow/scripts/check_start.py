"""Check, before the first job, that results can be written and that Slurm would accept jobs of a rule.

The Snakefile makes these and further checks at the start of every run; planning/start.py says why. By hand:

    python workflow/scripts/check_start.py results/paper train slurm_account=proj slurm_partition=gpu gpu=8 mem_mb=64000
"""

import argparse
from pathlib import Path

from basics.command_line import command_line
from planning.start import check_slurm, check_writable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for results")
    parser.add_argument("rule", nargs="?", help="name of a rule")
    parser.add_argument("resource", nargs="*", help="a resource of its jobs, as in gpu=8")
    arguments = parser.parse_args()
    check_writable(arguments.folder)
    if arguments.rule:
        check_slurm([(arguments.rule, dict(each.split("=", 1) for each in arguments.resource))])


if __name__ == "__main__":
    command_line(main)
