"""How far a run is: a small workflow of the same shape, which real Snakemakes run, fail and are killed on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from judging.trial import JOURNAL
from snake import DEMO, REPOSITORY

CONFIG = {
    "experiment": "small",
    "languages": {"train": ["en", "es"]},
    "models": {"m": {}, "n": {}},
    "judges": [{"name": "j", "price": {"prompt": 1.0, "completion": 2.0}}],
}
SNAKEFILE = """
configfile: "config.json"
RECIPES = ["mono-en", "multilingual"]
rule all_figures:
    default_target: True
    input:
        expand("results/small/models/lora/{model}/{recipe}", model=["m", "n"], recipe=RECIPES),
        expand("results/small/ratings/j/lora/{model}/{recipe}.jsonl", model=["m", "n"], recipe=RECIPES),
include: "train.smk"
include: "respond.smk"
include: "judge.smk"
"""
RULES = {
    "train": """
rule train:
    output: directory("results/small/models/{method}/{model}/{recipe}")
    log: "results/small/logs/train/{method}/{model}/{recipe}.log"
    benchmark: "results/small/benchmarks/train/{method}/{model}/{recipe}.tsv"
    shell: "exec ./work train {wildcards.model}/{wildcards.recipe} --output {output} > {log}"
""",
    "respond": """
rule respond:
    input: model="results/small/models/{method}/{model}/{recipe}"
    output: "results/small/responses/{method}/{model}/{recipe}.jsonl"
    log: "results/small/logs/respond/{method}/{model}/{recipe}.log"
    shell: "./work respond {wildcards.model}/{wildcards.recipe} --output {output} > {log}"
""",
    "judge": """
rule judge:
    input: responses="results/small/responses/{method}/{model}/{recipe}.jsonl"
    output: "results/small/ratings/{judge}/{method}/{model}/{recipe}.jsonl"
    log: "results/small/logs/judge/{judge}/{method}/{model}/{recipe}.log"
    params: journals="results/small/journals/judge/{judge}", run="{method}/{model}/{recipe}"
    shell: "./work judge {wildcards.model}/{wildcards.recipe} --output {output} > {log}"
""",
}
# A program that ends well, fails or hangs, as the file `behaviour` says of its stage and run.
WORK = """#!{python}
import json, sys, time
from pathlib import Path
stage, run, _, output = sys.argv[1:]
does = json.loads(Path("behaviour").read_text()).get(stage + " " + run, "")
if does == "fail":
    print("loading\\nerror: no memory; lower it\\n(a library's last word)")
    sys.exit(1)
if does == "hang":
    Path("hanging").touch(); time.sleep(60)
output = Path(output)
if stage == "train":
    output.mkdir()
    record = {{"device": "CPU", "ranks": 2, "seconds": 1800.0, "tokens": 1000}}
    (output / "begun.json").write_text(json.dumps(record))
    (output / "begun.json").rename(output / "training.json")  # as training does: a kill leaves no half of it
else:
    output.write_text(json.dumps({{"id": 1, "usage": {{"prompt_tokens": 100, "completion_tokens": 50}}}}) + "\\n")
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for stage, rule in RULES.items():
        (tmp_path / f"{stage}.smk").write_text(rule)
    (tmp_path / "work").write_text(WORK.format(python=sys.executable))
    (tmp_path / "work").chmod(0o755)
    (tmp_path / "behaviour").write_text("{}")
    return tmp_path


def start(folder: Path, **behaviour: str) -> subprocess.Popen:
    """Snakemake on the small workflow, in a process group of its own; train_m_en="fail" and so on."""
    named = {"en": "mono-en", "mix": "multilingual"}
    said = {
        f"{stage} {model}/{named[recipe]}": does
        for key, does in behaviour.items()
        for stage, model, recipe in [key.split("_")]
    }
    (folder / "behaviour").write_text(json.dumps(said))
    command = [sys.executable, "-m", "snakemake", "--cores", "4", "--keep-going", "--quiet", "all"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def ask(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "workflow" / "scripts" / "status.py"), *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def status(folder: Path, *arguments: str, path: str = "results/small/status", **environment: str) -> dict:
    asked = ask(folder, *arguments, **environment)
    assert asked.returncode == 0, asked.stderr
    assert (folder / f"{path}.md").read_text(encoding="utf-8") == asked.stdout
    return json.loads((folder / f"{path}.json").read_text(encoding="utf-8")) | {"text": asked.stdout}


def cells(result: dict) -> dict[str, tuple]:
    return {
        f"{row['model']}/{row['recipe']}": (row["state"], row["stage"], row["furthest"]) for row in result["models"]
    }


def wait_for(path: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.1)


def kill_group(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_before_a_run_all_is_missing_and_nothing_is_spent(small):
    result = status(small)
    assert set(cells(result).values()) == {("missing", "train", None)}
    assert result["states"] == {"missing": 13} and "- Judge j: 0 ratings" in result["text"]
    assert not (small / "results/small/models").exists() and not (small / ".snakemake/log").exists()


def test_a_failure_is_told_with_its_log_and_its_one_line_and_what_was_spent_is_added_up(small):
    start(small, respond_m_en="fail", train_n_mix="fail").wait()
    result = status(small)
    assert cells(result) == {
        "m/mono-en": ("failed", "respond", "train"),
        "m/multilingual": ("done", None, "judge"),
        "n/mono-en": ("done", None, "judge"),
        "n/multilingual": ("failed", "train", None),
    }
    logs = {row["log"]: row["says"] for row in result["trouble"]}
    assert logs == dict.fromkeys(
        ["results/small/logs/respond/lora/m/mono-en.log", "results/small/logs/train/lora/n/multilingual.log"],
        "error: no memory; lower it",
    )
    assert all(log in result["text"] for log in logs) and "No Snakemake is running in this folder" in result["text"]
    assert result["trainings"] == [
        {"method": "lora", "device": "CPU", "models": 3, "device_hours": 3.0, "tokens": 3000}
    ]
    [judge] = result["judges"]
    assert (judge["ratings"], judge["prompt_tokens"], judge["dollars"]) == (2, 200, pytest.approx(400e-6))


def test_what_a_judge_was_asked_before_the_run_is_a_part_of_its_cost(small):
    trial = small / "results/small/journals/judge/j" / JOURNAL
    trial.parent.mkdir(parents=True)
    reply = {"usage": {"prompt_tokens": 200, "completion_tokens": 100}}
    trial.write_text(json.dumps({"key": "1", "value": reply}) + "\n")
    [judge] = status(small)["judges"]
    assert (judge["ratings"], judge["prompt_tokens"], judge["dollars"]) == (0, 200, pytest.approx(400e-6))


def test_what_runs_is_told_from_what_waits_for_it(small):
    process = start(small, train_m_en="hang")
    try:
        wait_for(small / "hanging", process)
        result = status(small)
        assert cells(result)["m/mono-en"] == ("running", "train", None)
        assert result["snakemake_runs_here"] and result["locked"] and not result["trouble"]
    finally:
        kill_group(process)


@pytest.mark.parametrize("stage", ["train", "respond"])
def test_a_run_that_was_killed_is_interrupted_and_neither_running_nor_failed(small, stage):
    process = start(small, **{f"{stage}_m_en": "hang"})
    wait_for(small / "hanging", process)
    kill_group(process)
    result = status(small)
    state, about, _ = cells(result)["m/mono-en"]
    assert (state, about) == ("interrupted", stage)
    assert "snakemake --unlock" in result["text"]
    assert f"results/small/logs/{stage}/lora/m/mono-en.log" in [trouble["log"] for trouble in result["trouble"]]


def test_a_job_that_outlives_its_snakemake_still_runs(small):
    process = start(small, train_m_en="hang")
    wait_for(small / "hanging", process)
    process.kill()  # alone
    process.wait()
    try:
        result = status(small)
        assert cells(result)["m/mono-en"][:2] == ("running", "train")
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_model_that_was_removed_is_missing_and_one_whose_rule_changed_is_outdated(small):
    assert start(small).wait() == 0
    removed = small / "results/small/models/lora/m/mono-en"
    (removed / "training.json").unlink()
    (removed / ".snakemake_timestamp").unlink()
    removed.rmdir()
    (small / "judge.smk").write_text(RULES["judge"].replace("./work judge", "./work  judge"))
    found = cells(status(small))
    assert found["m/mono-en"] == ("missing", "train", None), "it ended well, though there is a log and no output"
    assert found["n/mono-en"] == ("outdated", "judge", "respond")


TRAINING = "rule_train_wildcards_lora_m_mono-en"  # the comment of its submission


@pytest.mark.parametrize(
    ("noted", "rows", "state"),
    [
        ("4711", [("4711", "RUNNING", ".", TRAINING)], "running"),
        ("4711", [("4711", "PENDING", ".", TRAINING)], "queued"),
        ("4711", [("4712", "RUNNING", ".", "rule_judge_wildcards_j_lora_m_mono-en")], "interrupted"),
        (None, [("4711", "RUNNING", ".", TRAINING)], "running"),
        (None, [("4711", "RUNNING", "..", TRAINING)], "interrupted"),
        (None, [], "interrupted"),
    ],
)
def test_on_a_cluster_slurm_is_asked_what_its_submissions_do(small, noted, rows, state):
    """Snakemake notes the submission in its mark of a job that has begun; the Snakemake in it removes that again."""
    assert status(small)["states"] == {"missing": 13}
    process = start(small, train_m_en="hang")
    wait_for(small / "hanging", process)
    kill_group(process)
    for mark in (path for path in (small / ".snakemake/incomplete").rglob("*") if path.is_file()):
        mark.write_text(json.dumps({"external_jobid": noted}))
    squeue = small / "bin" / "squeue"
    squeue.parent.mkdir()
    says = [f"{job}|{word}|1:02|{(small / place).resolve()}|{comment}" for job, word, place, comment in rows]
    squeue.write_text("\n".join(["#!/bin/sh", "cat <<END", *says, "END"]) + "\n")
    squeue.chmod(0o755)
    result = status(small, PATH=f"{squeue.parent}:{os.environ['PATH']}")
    assert cells(result)["m/mono-en"][0] == state


def test_a_target_that_no_rule_makes_is_told_in_one_line():
    asked = ask(REPOSITORY, "figure99")
    assert (asked.returncode, asked.stderr.count("\n")) == (1, 1)
    assert asked.stderr.startswith("error: No rule to produce figure99")


@pytest.mark.demo
def test_the_finished_miniature_is_done_and_its_costs_are_those_of_the_tables(miniature, tmp_path):
    prefix = tmp_path / "status"
    result = status(REPOSITORY, *DEMO, "--output-prefix", str(prefix), path=str(prefix))
    assert set(cells(result).values()) == {("done", None, "score")} and len(result["models"]) == 48
    assert sum(row["models"] for row in result["trainings"]) == 48
    table = (REPOSITORY / "results/demo/tables/costs.csv").read_text().splitlines()[1:]
    hours = sum(float(line.split(",")[6]) for line in table)
    assert sum(row["device_hours"] for row in result["trainings"]) == pytest.approx(hours, rel=1e-4)
    assert result["judges"][0]["ratings"] == 1380 + 6 * 10 * 7


@pytest.mark.parametrize(
    ("path", "content", "fault"),
    [
        (
            "models/lora/m/mono-en/training.json",
            '{"device": "CPU", "ranks": 2}',
            "'seconds' is missing; train the model",
        ),
        ("models/lora/m/mono-en/training.json", "[]", "is a list, not an object; train the model again"),
        ("ratings/j/lora/m/mono-en.jsonl", '{"usage": {"prompt_tokens": 1}}\n', "'completion_tokens' is missing"),
    ],
)
def test_a_record_that_is_damaged_is_named_in_one_line(small, path, content, fault):
    record = small / "results/small" / path
    record.parent.mkdir(parents=True)
    record.write_text(content)
    asked = ask(small)
    assert (asked.returncode, asked.stderr.count("\n")) == (1, 1), asked.stderr
    assert path in asked.stderr and fault in asked.stderr
