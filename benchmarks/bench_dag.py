"""Measure Snakemake itself: the paper's dry run, that of a matrix ten times as large, and its controller on a cluster.

    make bench-dag                        ten minutes: medians of three
    make bench-dag BENCH="--turns 1"

The larger matrix has every model ten times, under ten names. The controller is `snakemake --profile profiles/slurm` in
a checkout of its own where everything up to the trainings already exists, as empty files, so that a hundred trainings
can be submitted. sbatch and squeue are stand-ins that record each submission and report every job as running. The
controller is then watched for four minutes: this is what it costs while trainings run. Writes dag.json and dag.md, and
prints the latter.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "workflow" / "scripts")]

import psutil  # noqa: E402

from basics.command_line import command_line, positive  # noqa: E402
from basics.errors import InputError  # noqa: E402
from basics.writing import write_json, write_text  # noqa: E402
from measuring import REPOSITORY, Notebook, measure, processor, resident, table  # noqa: E402
from study.configuration import read_configs  # noqa: E402

TIMES = 10
PAPER, LARGE = "the paper", f"{TIMES} times its models"
AIMS = {PAPER: (5, 500), LARGE: (60, None)}  # seconds, MB
SUBMITTED, WATCHED = 100, 240  # jobs of the profile; seconds
BEFORE_TUNING = ("seed", "translation_models", "translate", "recipe", "base", "tokenize")
STAND_INS = {
    "sbatch": """case "$*" in *--test-only*) exit 0 ;; esac
echo $$ >> {calls}; echo $$""",
    "squeue": """echo x >> {asked}; sed 's/$/|RUNNING/' {calls}""",
    "sacct": "true",
    "sacctmgr": "echo proj",
    "sinfo": "true",
    "scontrol": 'echo "MinJobAge = 300 sec"; echo "MaxArraySize = 1001"',
}


def larger(times: int) -> dict:
    """A configuration with `times` copies of every model."""
    config = read_configs([REPOSITORY / "config" / "config.yaml"])
    copies = {name: [f"{name}-{number}" for number in range(times)] for name in config["models"]}
    return {
        "models": {copy: config["models"][name] for name, made in copies.items() for copy in made},
        "select": {
            name: [copy for model in models for copy in copies[model]] for name, models in config["select"].items()
        },
    }


def checkout(folder: Path) -> Path:
    """A copy of the workflow, with stand-ins for Slurm's programs."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    for name in ("Snakefile", "workflow", "config", "profiles", "envs", "resources"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    for name in ("calls", "asked"):
        (folder / name).touch()
    for name, script in STAND_INS.items():
        program = folder / "bin" / name
        program.write_text(
            f"#!/bin/sh\n{script.format(calls=folder / 'calls', asked=folder / 'asked')}\n", encoding="utf-8"
        )
        program.chmod(0o755)
    return folder


def make_all_but_tuned(folder: Path) -> None:
    """Create empty files and folders for everything that trainings are made from."""
    program = (
        "import sys; sys.path.insert(0, 'workflow/scripts'); from planning.jobs import read_workflow\n"
        "for job in read_workflow().jobs:\n"
        f"    if job.stage in {BEFORE_TUNING!r} or job.rule.startswith('micro_batch'): print(*job.outputs, sep='\\n')\n"
    )
    listed = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    for output in map(folder.joinpath, listed.stdout.split()):
        if output.suffix in {".jsonl", ".json", ".md", ".png", ".bin"}:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
        else:
            output.mkdir(parents=True, exist_ok=True)
            (output / ".snakemake_timestamp").touch()


def controller(folder: Path) -> dict:
    """Snakemake's CPU time in seconds until the trainings run, then its CPU seconds per minute and its peak memory in
    bytes, with the numbers of submissions and status checks.
    """
    make_all_but_tuned(folder)
    path = f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    site = {"SLURM_ACCOUNT": "proj", "SLURM_CPU_PARTITION": "cpu", "SLURM_GPU_PARTITION": "gpu", "PATH": path}
    # All jobs at once: the profile would submit them slowly to spare a real scheduler, and there is none here.
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--max-jobs-per-timespan", "100/1m"]
    with (folder / "said").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [*command, "--", "all_figures"], cwd=folder, env=os.environ | site, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + 300
            while lines(folder / "calls") < SUBMITTED:
                if process.poll() is not None or time.monotonic() > end:
                    raise InputError(f"{folder / 'said'}: the controller has not submitted {SUBMITTED} jobs; see there")
                time.sleep(1)
            itself, peak = psutil.Process(process.pid), 0
            before = itself.cpu_times()
            for _ in range(WATCHED):
                time.sleep(1)
                peak = max(peak, resident(process.pid))
            after = itself.cpu_times()
        finally:
            process.kill()
            process.wait()
    return {
        "submitted": lines(folder / "calls"),
        "status_checks": lines(folder / "asked"),
        "cpu_before": cpu(before),
        "cpu_a_minute": (cpu(after) - cpu(before)) / (WATCHED / 60),
        "peak": peak,
    }


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def cpu(times) -> float:
    """CPU seconds of a process and of the children that it waited for."""
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=positive, default=3, help="default 3")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    notebook = Notebook()
    folder = checkout((arguments.output / "dag").resolve())
    write_json(folder / "larger.json", larger(TIMES))
    place = ["--snakefile", folder / "Snakefile", "--directory", folder]
    for _ in range(arguments.turns):
        for matrix, options in ((PAPER, []), (LARGE, ["--configfile", folder / "larger.json"])):
            command = [sys.executable, "-m", "snakemake", *place, "--dry-run", "--quiet", "rules", *options]
            seen = measure([*command, "--", "all_figures"])
            [jobs] = [int(line.split()[1]) for line in seen.output.splitlines() if line.startswith("total ")][:1]
            notebook.note("dry run", matrix, seen.wall, seen.cpu, peak=seen.peak, jobs=jobs)
    seen = controller(folder)
    rows = []
    for matrix, (seconds, megabytes) in AIMS.items():
        wall, cpu, memory = (
            notebook.median("dry run", matrix, value)
            for value in (lambda turn: turn.wall, lambda turn: turn.cpu, lambda turn: turn.details["peak"] / 1e6)
        )
        jobs = notebook.turns_of("dry run", matrix)[0].details["jobs"]
        aim = f"{seconds} s" + (f", {megabytes} MB" if megabytes else "")
        rows.append([matrix, f"{jobs:,}", f"{wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}", aim])
    report = "\n".join(
        [
            f"{processor()}, {os.cpu_count()} cores; medians of {arguments.turns}.",
            "",
            table(["dry run of", "jobs", "s", "s of CPU", "peak MB", "aim, under"], rows),
            f"The controller: {seen['cpu_before']:.1f} s of CPU until {seen['submitted']} trainings are submitted, then"
            f" {seen['cpu_a_minute']:.2f} s a minute while they run ({seen['status_checks']} looks at the"
            f" queue in all); {seen['peak'] / 1e6:.0f} MB at most.",
        ]
    )
    write_json(
        arguments.output / "dag.json", {"turns": [turn._asdict() for turn in notebook.turns], "controller": seen}
    )
    write_text(arguments.output / "dag.md", report + "\n")
    print(report)


if __name__ == "__main__":
    command_line(main)
