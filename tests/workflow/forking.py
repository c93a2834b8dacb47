"""Runs Snakemake in forks of a process that has imported it, which takes longer than many a dry run.

    python forking.py

It reads requests from stdin, a JSON object per line: `arguments`, `directory`, `environment` and `output`, the file for
stdout and stderr together. It answers each with the exit status, on a line.
"""

import json
import os
import sys

import snakemake.cli
import snakemake_executor_plugin_slurm  # noqa: F401
import snakemake_executor_plugin_slurm_jobstep  # noqa: F401


def run(arguments: list[str], directory: str, environment: dict[str, str], output: str) -> None:
    """Become `snakemake ARGUMENTS`."""
    stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(stream, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [snakemake.cli.__file__, *arguments]
    sys.path[0] = directory  # as with python -m
    snakemake.cli.main()


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(**request)
            raise AssertionError("Snakemake ends by itself")
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
