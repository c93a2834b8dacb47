"""Fetch the weights of a judge that jobs will serve into the hub's cache (HF_HOME), and note where they are.

Servers read that cache, with HF_HUB_OFFLINE=1 without asking the hub. A gated repository needs HF_TOKEN in the
environment.
"""

import argparse
from pathlib import Path

from basics.command_line import command_line
from basics.writing import write_json
from models.fetching import fetch_to_cache


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", required=True, help="such as Qwen/Qwen3-30B-A3B-Instruct-2507")
    parser.add_argument("--revision", required=True, help="a commit or a branch, as the server's command names it")
    parser.add_argument("--output", required=True, type=Path, help="file for repository, revision and folder")
    arguments = parser.parse_args()
    write_json(arguments.output, fetch_to_cache(arguments.repo, arguments.revision))


if __name__ == "__main__":
    command_line(main)
