"""What Slurm is asked for, without a cluster: stand-ins for its programs record how they are called."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from snake import REPOSITORY, checkout, snakemake
from study.configuration import read_configs

ENVIRONMENT = {"SLURM_ACCOUNT": "proj", "SLURM_CPU_PARTITION": "cpu", "SLURM_GPU_PARTITION": "gpu"}
STAND_INS = {
    "sbatch": """
case "$*" in *--test-only*) printf "%s\\n" "$*" >> {calls}-tested; exit 0 ;; esac
printf "%s\\n" "$*" >> {calls}; echo "no cluster here" >&2; exit 1""",
    "sacctmgr": "echo proj",
    "sacct": "true",
    "squeue": "true",
    "sinfo": "true",
    "scontrol": 'echo "MinJobAge = 300 sec"; echo "MaxArraySize = 1001"',
}
GROUPS = ("scoring", "served-judging-{judge}")
TWO_NODES = [{"up_to": 13, "ranks": 16, "memory": "480GB", "runtime": "36h", "zero_stage": 3}]


@pytest.fixture
def house(tmp_path):
    checkout(tmp_path)
    (tmp_path / "bin").mkdir()
    for name, script in STAND_INS.items():
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\n" + script.format(calls=tmp_path / "calls") + "\n")
        program.chmod(0o755)
    return tmp_path


def submissions(house: Path, method: str, model: str, *site: str, **compute: object) -> list[str]:
    """sbatch's options for training a model on one recipe, for every attempt, in order."""
    family = model.split("-")[0]
    for folder in (f"bases/{model}", f"tokenizers/{family}", f"tokens/{family}/alpaca/mono-en"):
        (house / "results/paper" / folder).mkdir(parents=True)
        (house / f"results/paper/{folder}.sha256").touch()
    found = house / f"results/paper/micro_batches/{method}/{model}.json"
    found.parent.mkdir(parents=True)
    found.write_text("{}")
    (house / "change.json").write_text(json.dumps({"compute": compute}))
    target = f"results/paper/models/{method}/{model}/mono-en"
    return submitted(house, target, rules=["train", "train_on_nodes"], options=site)


def submitted(house: Path, *targets: str, rules: list[str], options: Sequence[str] = ()) -> list[str]:
    """sbatch's options for the jobs of some rules, for every attempt, in order."""
    options = [*options, "--max-jobs-per-timespan", "100/1s", "--slurm-init-seconds-before-status-checks", "1"]
    options += ["--configfile", "change.json", "--allowed-rules", *rules]
    path = f"{house / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *options, "--", *targets],
        cwd=house,
        env=os.environ | ENVIRONMENT | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert (house / "calls").exists(), done.stdout[-3000:]
    return asked_in(house / "calls")


def asked_in(calls: Path) -> list[str]:
    """The options of the calls of sbatch in a file, without Snakemake's own."""
    lines = [re.split(" --wrap| --test-only", line)[0] for line in calls.read_text().splitlines()]
    return [re.sub(r"^.*--comment \S+ +|-D \S+ +", "", line) for line in lines]


def test_the_runs_that_a_served_judge_rates_share_a_submission_and_its_gpu_one_after_another(house):
    (house / "change.json").write_text("{}")
    runs = [f"lora/pythia-70m/{recipe}" for recipe in ("mono-en", "mono-es", "multilingual")]
    for run in runs:
        for kind in ("jsonl", "json"):
            responses = house / f"results/paper/responses/{run}.{kind}"
            responses.parent.mkdir(parents=True, exist_ok=True)
            responses.touch()
    asked = submitted(house, *(f"results/paper/ratings/qwen3-30b/{run}.jsonl" for run in runs), rules=["judge_on_gpu"])
    options = "-A proj -p gpu -t 45 --mem 96000 --nodes=1 --requeue --cpus-per-task=8 --signal=TERM@300 --gpus=1"
    assert asked == [options] * 5, "one submission, and its four retries"
    assert asked_in(house / "calls-tested") == [options], "tested as the one that it is"


def test_judges_that_are_served_on_gpus_have_submissions_of_their_own_as_their_servers_would_take_turns(house):
    judge = read_configs([REPOSITORY / "config" / "config.yaml"])["judges"][0]
    judges = [judge | {"name": name, "label": name} for name in ("one", "two")]
    (house / "change.json").write_text(json.dumps({"judges": judges}))
    runs = [f"lora/pythia-70m/{recipe}" for recipe in ("mono-en", "mono-es")]
    for run in runs:
        for kind in ("jsonl", "json"):
            responses = house / f"results/paper/responses/{run}.{kind}"
            responses.parent.mkdir(parents=True, exist_ok=True)
            responses.touch()
    targets = [f"results/paper/ratings/{name}/{run}.jsonl" for name in ("one", "two") for run in runs]
    assert len(submitted(house, *targets, rules=["judge_on_gpu"])) == 2 * 5


def test_lora_on_12_billion_parameters_takes_four_gpus_of_a_node_and_more_memory_each_time(house):
    asked = submissions(house, "lora", "pythia-12b")
    template = "-A proj -p gpu -t 2160 --mem {} --nodes=1 --requeue --cpus-per-task=32 --signal=TERM@300 --gpus=4"
    assert asked == [template.format(memory) for memory in (240000, 360000, 480000, 500000, 500000)]


def test_full_parameter_training_of_7_billion_parameters_fills_a_node(house):
    asked = submissions(house, "full", "bloom-7b1")[:1]
    assert asked == [
        "-A proj -p gpu -t 2160 --mem 480000 --nodes=1 --requeue --cpus-per-task=64 --signal=TERM@300 --gpus=8"
    ]


def test_sixteen_ranks_fill_two_nodes_with_a_launcher_on_each(house):
    asked = submissions(house, "full", "bloom-7b1", full=TWO_NODES)[:1]
    assert asked == [
        "-A proj -p gpu -t 2160 --mem 480000 --nodes=2 --requeue --ntasks=2 --cpus-per-task=64"
        " --signal=TERM@300 --gpus=16"
    ]


SITE = ["--slurm-qos", "long", "--slurm-reservation", "course", "--set-resources"]
OWN = ["train:clusters='lux'", "train:slurm_extra='--licenses=scratch'"]


@pytest.mark.parametrize(
    ("gpus", "read"),
    [(["train:gres='gpu:a100:1'", "train:gpu=0"], "--gres=gpu:a100:1"), (["train:gpu_model='a100'"], "--gpus=a100:1")],
)
def test_slurm_tests_at_the_start_what_it_will_be_asked_for(house, gpus, read):
    asked = submissions(house, "lora", "pythia-70m", *SITE, *OWN, *gpus)[0]
    assert {"--qos=long", "--reservation=course", "--licenses=scratch", read} <= {*asked.split()}
    assert asked_in(house / "calls-tested") == [asked] and "--clusters lux" in asked


def test_a_site_whose_slurm_does_not_test_is_not_asked(house):
    submissions(house, "lora", "pythia-70m", "--config", "check_submissions=skip")
    assert not (house / "calls-tested").exists()


def test_the_whole_paper_is_under_800_submissions_and_starts_a_judge_four_times():
    said = snakemake("--dry-run", "--profile", "profiles/slurm", "--", "all_figures").stdout
    jobs = {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", said, flags=re.MULTILINE)}
    jobs.pop("total")
    profile = (REPOSITORY / "profiles/slurm/config.yaml").read_text(encoding="utf-8")
    sizes = [re.search(rf"^  {re.escape(name)}: (\d+)", profile, flags=re.MULTILINE) for name in GROUPS]
    scored, judged = (int(size[1]) for size in sizes)
    grouped = {"langid", "score", "judge_on_gpu"}
    alone = sum(number for rule, number in jobs.items() if rule not in grouped)  # some of them without a submission
    assert jobs["train"] == jobs["judge_on_gpu"] == 160
    assert jobs["langid"] == jobs["score"] == 160, "those of a run share a group"
    assert -(-(160 + jobs["judge_controls_on_gpu"]) // judged) == 4, "a server starts once for forty runs"
    assert alone + -(-160 // scored) + -(-160 // judged) < 800
