"""Check a configuration before anything runs; report a fault in one line that names the key and the remedy.

Local files that it names are read as well, so that a broken one stops the run before its first job. The Snakefile calls
`check_or_exit` on the merged configuration. By hand, later files override earlier ones, as in `snakemake --configfile`:

    python workflow/scripts/check_config.py config/config.yaml config/demo.yaml
"""

import argparse
from pathlib import Path

from basics.command_line import command_line
from study.checking import check_files_of
from study.configuration import read_configs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path, help="YAML files, of which later ones override earlier ones")
    arguments = parser.parse_args()
    check_files_of(read_configs(arguments.configs), arguments.configs)
    print(f"{', '.join(map(str, arguments.configs))}: valid")


if __name__ == "__main__":
    command_line(main)
