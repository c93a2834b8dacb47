"""What Slurm is asked for, without a cluster: stand-ins for its programs record how they are called."""

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from planning.jobs import read_workflow
from snake import REPOSITORY, checkout, snakemake
from study.configuration import read_configs
from study.site import VARIABLE, SiteSettings, read_site

ENVIRONMENT = {"SLURM_ACCOUNT": "proj", "SLURM_CPU_PARTITION": "cpu", "SLURM_GPU_PARTITION": "gpu"}
STAND_INS = {
    "sbatch": """
case "$*" in *--test-only*) printf "%s\\n" "$*" >> {calls}-tested; exit 0 ;; esac
printf "%s\\n" "$*" >> {calls}; echo "no cluster here" >&2; exit 1""",
    "sacctmgr": 'case "$*" in *MaxSubmitJobs*) ;; *) echo proj; echo other ;; esac',
    "sacct": "true",
    "squeue": "true",
    "sinfo": "true",
    "scontrol": 'echo "MinJobAge = 300 sec"; echo "MaxArraySize = 1001"',
}
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


def at(house: Path, **site: object) -> None:
    """Give the house the settings of a site, beside those of the environment."""
    (house / "profiles/slurm/site.yaml").write_text(json.dumps(site))


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
    return [re.sub(r"^.*--comment \S+ +| -D \S+", "", line) for line in lines]


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


def test_a_site_that_wants_gres_a_type_and_a_qos_gets_them_for_jobs_with_gpus(house):
    wishes = {"gpus_by": "gres", "gpu_type": "a100", "gpu_qos": "gpu", "gpu_account": "other", "reservation": "course"}
    at(house, **wishes, options="--mail-type=FAIL", gpu_options="--exclusive", gpu_constraint="nvlink")
    asked = submissions(house, "full", "bloom-7b1", full=TWO_NODES)[0]
    assert asked == (
        "-A other -p gpu -t 2160 -C nvlink --qos=gpu --mem 480000 --nodes=2 --requeue --reservation=course --ntasks=2"
        " --cpus-per-task=64 --signal=TERM@300 --mail-type=FAIL --exclusive --gres=gpu:a100:8"
    )
    assert asked_in(house / "calls-tested") == [asked], "and Slurm is asked for the same at the start"


def test_a_preflight_asks_for_what_the_training_would_but_for_ten_minutes_and_once(house):
    at(house, gpus_by="gres", gpu_type="a100", gpu_qos="gpu", gpu_account="other", gpu_options="--exclusive")
    for folder in ("bases/bloom-7b1", "tokenizers/bloom"):
        (house / "results/paper" / folder).mkdir(parents=True)
        (house / f"results/paper/{folder}.sha256").touch()
    (house / "change.json").write_text(json.dumps({"compute": {"full": TWO_NODES}}))
    rules = ["preflight_training", "preflight_training_on_nodes"]
    assert submitted(house, "results/paper/preflight/train/full/bloom-7b1.json", rules=rules) == [
        "-A other -p gpu -t 10 --qos=gpu --mem 480000 --nodes=2 --requeue --ntasks=2 --cpus-per-task=64 --exclusive"
        " --gres=gpu:a100:8"
    ]


def test_jobs_without_gpus_have_the_sites_account_qos_and_options_and_what_is_set_before_each(house):
    at(
        house,
        account="other",
        qos="short",
        options="--mail-type=FAIL",
        modules=["CUDA/12"],
        environment={"IFNAME": "ib 0"},
    )
    (house / "change.json").write_text("{}")
    for folder in ("tokenizers/pythia", "recipes/mono-en"):
        (house / "results/paper" / folder).mkdir(parents=True)
        (house / f"results/paper/{folder}.sha256").touch()
    asked = submitted(house, "results/paper/tokens/pythia/alpaca/mono-en", rules=["tokenize"])[0]
    assert (
        asked == "-A other -p cpu -t 20 --qos=short --mem 4000 --requeue --ntasks=1 --cpus-per-task=1 --mail-type=FAIL"
    )
    wrapped = (house / "calls").read_text().splitlines()[0]
    assert "module load CUDA/12 && export IFNAME='ib 0' && " in wrapped


def test_no_attempt_asks_for_more_time_than_the_first_as_a_partition_might_not_give_it(house):
    (house / "change.json").write_text("{}")
    for folder in ("tokenizers/pythia", "recipes/mono-en"):
        (house / "results/paper" / folder).mkdir(parents=True)
        (house / f"results/paper/{folder}.sha256").touch()
    asked = submitted(house, "results/paper/tokens/pythia/alpaca/mono-en", rules=["tokenize"])
    assert [re.search(r" -t (\d+) --mem (\d+)", line).groups() for line in asked] == [
        ("20", str(4000 * attempt)) for attempt in range(1, 6)
    ]


def test_what_the_command_line_sets_for_a_rule_replaces_nothing_else(house):
    given = ["--set-resources", "train:runtime=99", "train:clusters='lux'", "--slurm-qos", "long"]
    asked = submissions(house, "lora", "pythia-70m", *given)[0]
    assert asked == (
        "-A proj -p gpu --clusters lux -t 99 --mem 64000 --nodes=1 --requeue --qos=long --cpus-per-task=8"
        " --signal=TERM@300 --gpus=1"
    )
    assert asked_in(house / "calls-tested") == [asked]


def test_a_key_that_a_site_cannot_have_is_told_with_those_that_it_can(house):
    at(house, acount="mine")
    said = snakemake("--profile", "profiles/slurm", "--dry-run", "--", "all_tokens", directory=house)
    line = said.stdout.strip().splitlines()[-1]
    assert said.returncode == 1 and line.startswith("error: profiles/slurm/site.yaml: the key 'acount' is unknown")


def test_the_example_of_a_site_has_every_key(monkeypatch):
    example = yaml.safe_load((REPOSITORY / "profiles/slurm/site.example.yaml").read_text(encoding="utf-8"))
    settings = read_site({VARIABLE: json.dumps(example)})
    assert {*example} == {field.name for field in dataclasses.fields(SiteSettings)} == {*vars(settings)}


def test_a_job_that_runs_later_is_tested_before_its_inputs_exist(house):
    (house / "change.json").write_text("{}")
    for folder in ("bases/pythia-70m", "tokenizers/pythia", "recipes/mono-en"):
        (house / "results/paper" / folder).mkdir(parents=True)
        (house / f"results/paper/{folder}.sha256").touch()
    asked = submitted(house, "results/paper/models/lora/pythia-70m/mono-en", rules=["tokenize", "micro_batch", "train"])
    assert not any("-t 1440" in line for line in asked), "the training, which waits for its tokens"
    assert any("-p gpu -t 1440" in line for line in asked_in(house / "calls-tested"))


def test_a_site_whose_slurm_does_not_test_is_not_asked(house):
    submissions(house, "lora", "pythia-70m", "--config", "check_submissions=skip")
    assert not (house / "calls-tested").exists()


def test_a_language_is_translated_and_flagged_in_one_submission_a_shard_after_another(house):
    (house / "change.json").write_text("{}")
    made = house / "results/paper"
    for file in (
        "seed/train.jsonl",
        "seed/segments.jsonl",
        "translation_models/es/model.bin",
        "downloads/openlid/model.bin",
    ):
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).touch()
    rules = ["translate_shard", "translate", "flag_translation"]
    asked = submitted(house, "results/paper/translated/es.jsonl", rules=rules)[0]
    assert asked == "-A proj -p cpu -t 217 --mem 4000 --requeue --ntasks=1 --cpus-per-task=4"


def test_a_recipe_and_its_tokens_for_every_family_are_one_submission(house):
    (house / "change.json").write_text("{}")
    families = ("pythia", "bloom", "llama")
    for family in families:
        (house / f"results/paper/tokenizers/{family}").mkdir(parents=True)
        (house / f"results/paper/tokenizers/{family}.sha256").touch()
    (house / "results/paper/seed").mkdir()
    (house / "results/paper/seed/train.jsonl").touch()
    tokens = [f"results/paper/tokens/{family}/alpaca/mono-en" for family in families]
    asked = submitted(house, *tokens, rules=["recipe", "tokenize"])
    assert asked[0] == "-A proj -p cpu -t 70 --mem 4000 --requeue --ntasks=1 --cpus-per-task=1"
    assert len(set(asked)) == 5, "one submission, whose retries have more memory and time"


def test_the_whole_paper_is_under_400_submissions_and_starts_a_judge_four_times(house):
    said = snakemake("--dry-run", "--profile", "profiles/slurm", "--", "all_figures", directory=house).stdout
    groups = Counter(re.findall(r"Group job (\S+) \(", said))
    alone = Counter(re.findall(r"^(?:local)?rule (\w+):$", said, flags=re.MULTILINE))
    assert (alone["train"], alone["respond"]) == (160, 160)
    assert groups["served-judging-qwen3-30b"] == 4, "a server starts once for forty runs"
    assert groups.total() - groups["scoring"] == 4 + 8 + 8, "and the languages, and the recipes"
    command = [sys.executable, "workflow/scripts/plan.py", "--offline"]
    subprocess.run(command, cwd=house, check=True, capture_output=True)
    planned = json.loads((house / "results/paper/plan.json").read_text())
    with contextlib.chdir(house):
        here = {job.rule for job in read_workflow().jobs if job.local}
    submitted = groups.total() + sum(number for rule, number in alone.items() if rule not in here)
    assert planned["submissions"] == submitted < 400
    assert not {"recipe", "tokenize", "overlap", "langid"} & here, (
        "minutes, or gigabytes, which a login node may not have"
    )
