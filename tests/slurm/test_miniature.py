"""All stages through profiles/slurm on a real Slurm: the same results, and each job gets what its rule asks for."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from controller import accounts, run
from snake import REPOSITORY
from snake import run as run_here

pytestmark = [pytest.mark.slurm, pytest.mark.long]
HERE = REPOSITORY / "results/demo"
RECIPES = ["mono-en", "mono-es", "mono-bg", "mono-zh", "multilingual", "downsampled"]
RUNS = [f"{method}/tiny-bloom-s/{recipe}" for method in ("lora", "full") for recipe in RECIPES]
SAME = ["recipes", "translated", "responses", "ratings", "langid", "scores"]


@pytest.fixture(scope="module")
def finished(cluster):
    """The jobs that the cluster had run before; makes the local run's results first, if they are missing."""
    run_here("--", *[f"results/demo/scores/stand-in/{run}.parquet" for run in RUNS])
    before = {job for [job] in accounts(cluster, "JobID")}
    status, said = run(cluster, "miniature.yaml", "--", "all_figures")
    assert status == 0, said[-4000:]
    return before


@pytest.fixture
def on_slurm(cluster, finished):
    """The folder of the results made on Slurm."""
    return cluster.checkout / "results/slurm"


def content(path: Path) -> bytes:
    """A file's bytes, without the hash of an adapter's configuration, which names the base of its own experiment."""
    return re.sub(rb'"adapter_config.json": "[0-9a-f]{64}"', b"", path.read_bytes())


def test_every_stage_ends_with_the_bytes_of_the_local_run(on_slurm):
    compared = 0
    for folder in SAME:
        for path in (on_slurm / folder).rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                assert content(path) == content(HERE / path.relative_to(on_slurm)), path
                compared += 1
    weights = list((on_slurm / "models").rglob("*.safetensors"))
    for path in weights:
        assert path.read_bytes() == (HERE / path.relative_to(on_slurm)).read_bytes(), path
    assert len(weights) == 2 * 6 and compared > 2 * 6 * 5
    assert pl.read_parquet(on_slurm / "scores.parquet").height > 0


def test_slurm_gave_each_job_what_its_rule_asks_for(finished, cluster):
    jobs = accounts(cluster, "JobID,Comment,Partition,AllocTRES,NNodes,TimelimitRaw,State")
    given = {}
    for job, comment, partition, tres, nodes, minutes, state in jobs:
        if job in finished:
            continue
        assert state == "COMPLETED", comment
        rule = re.match(r"rule_(.+?)(_wildcards_(full|lora)?.*)?$", comment)
        asked = dict(part.split("=") for part in tres.split(","))
        row = (partition, asked["cpu"], asked["mem"], asked.get("gres/gpu", "0"), nodes, minutes)
        given.setdefault((rule[1], rule[3]) if rule[3] else rule[1], set()).add(row)
    assert given["train", "lora"] == {("gpu", "1", "2000M", "1", "1", "30")}
    assert given["train", "full"] == {("gpu", "2", "4000M", "2", "1", "30")}
    assert given["respond", "lora"] == {("gpu", "1", "2000M", "1", "1", "240")}
    assert given["pretrain"] == {("cpu", "1", "4000M", "0", "1", "240")}


def test_language_identification_and_scoring_of_many_runs_share_a_submission(finished, cluster):
    grouped = [comment for [comment] in accounts(cluster, "Comment") if "scoring" in comment]
    assert 0 < len(grouped) <= 4, "there are 24 such jobs"


def test_full_parameter_training_on_two_nodes_gives_the_same_answers(on_slurm, cluster):
    target = "results/slurm/responses/full/tiny-bloom-s/mono-en.jsonl"
    before = (cluster.checkout / target).read_bytes()
    for path in (cluster.checkout / target, on_slurm / "models/full/tiny-bloom-s/mono-en"):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    one_gpu = {"node": {"gpus": 1, "memory": "16GB"}}
    status, said = run(cluster, "miniature.yaml", "--rerun-triggers", "mtime", "--", target, compute=one_gpu)
    assert status == 0, said[-4000:]
    train = [row for row in accounts(cluster, "Comment,NNodes,NodeList,AllocTRES") if "train_on_nodes" in row[0]]
    assert [(nodes, where) for _, nodes, where, _ in train] == [("2", "g[1-2]")] and "gres/gpu=2" in train[0][3]
    assert (cluster.checkout / target).read_bytes() == before
