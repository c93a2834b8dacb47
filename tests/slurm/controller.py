"""Snakemake with profiles/slurm on the test's cluster, as a process that a test may watch and stop."""

import json
import subprocess
import sys
from pathlib import Path

from cluster import Cluster
from snake import DEMO

SITE = {"SLURM_ACCOUNT": "proj", "SLURM_CPU_PARTITION": "cpu", "SLURM_GPU_PARTITION": "gpu"}
IMPATIENT = [  # the profile spares a scheduler that others use too
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
    *("--max-jobs-per-timespan", "100/1s", "--latency-wait", "5"),
]
BIN = Path(sys.executable).parent
HERE = Path(__file__).resolve().parent

RUN = "lora/tiny-bloom-s/mono-en"  # the training of drills.yaml, and where it is
RESULTS = "results/drills"
TARGET = f"{RESULTS}/models/{RUN}"
WEIGHTS = f"{TARGET}/adapter_model.safetensors"


def start(
    cluster: Cluster, config: str, *arguments: str, compute: dict | None = None, site: dict | None = None
) -> subprocess.Popen:
    """Start `snakemake --profile profiles/slurm ARGUMENTS` with the CONFIG of this folder on top of the miniature, and
    `compute` on top of that; `site` is what the user has set."""
    environment = cluster.environment | SITE | (site or {})
    change = cluster.folder / "change.json"
    change.write_text(json.dumps({"compute": compute or {}}))
    configuration = [*DEMO, str(HERE / config), str(change)]
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *configuration]
    return subprocess.Popen(
        [*command, *IMPATIENT, *arguments],
        cwd=cluster.checkout,
        env=environment | {"PATH": f"{BIN}:{environment['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(cluster: Cluster, config: str, *arguments: str, **changes: dict) -> tuple[int, str]:
    """Run to the end. Returns the exit status and the output."""
    process = start(cluster, config, *arguments, **changes)
    said, _ = process.communicate()
    return process.returncode, said


def accounts(cluster: Cluster, fields: str) -> list[list[str]]:
    """sacct's fields of all jobs, one row each."""
    rows = cluster.ask("sacct", "--allocations", "--noheader", "--parsable2", f"--format={fields}")
    return [row.split("|") for row in rows.splitlines()]
