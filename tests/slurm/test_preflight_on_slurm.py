"""The preflight on a real Slurm: planted faults are a line each, and once they are repaired, all kinds are ok."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster import Cluster
from controller import HERE, accounts, run
from edits import change
from snake import REPOSITORY

pytestmark = [pytest.mark.slurm, pytest.mark.long]
RESULTS = "results/preflight"
KINDS = ["translate/es", "train/full/tiny-bloom-s", "train/lora/tiny-bloom-s", "judge/stand-in", "identify"]
DEAD = {"name": "stand-in", "label": "-", "model": "stand-in", "serve": "false {port}", "gpus": 1, "memory": "2GB"}
TOLD = 'return "cpu"\n'  # by the cluster of the tests, as torch sees no GPUs
ASKED = 'return self._settings["accelerator"]\n'


def preflight(cluster: Cluster, config: str = "preflight.yaml", **changes: dict) -> tuple[int, str]:
    """Its exit status and its page, which is what it printed."""
    status, said = run(cluster, config, "--", "preflight", **changes)
    written = cluster.checkout / RESULTS / "preflight.md"
    assert written.exists(), said[-5000:]
    page = written.read_text(encoding="utf-8")
    assert page in said, said[-5000:]
    return status, page


def to_do(page: str) -> dict[str, str]:
    """The lines of what is to be done, by kind."""
    return dict(re.findall(r"^- (\S+?): (.*)$", page.replace("\\", ""), flags=re.MULTILINE))


@pytest.fixture
def full_disk(cluster) -> Iterator[Path]:
    """A disk with no room, where findings of LoRA go, until it is taken away."""
    folder = cluster.checkout / RESULTS / "preflight/train/lora"
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("cannot mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made_before(cluster) -> None:
    """The bases of the miniature, where it has been made here."""
    for stage in ("corpus", "seed", "tokenizers", "bases"):
        made = REPOSITORY / "results" / "demo" / stage
        if made.exists():
            shutil.copytree(made, cluster.checkout / RESULTS / stage)


def test_faults_of_a_disk_a_network_and_a_judge_are_a_line_each(cluster, made_before, full_disk):
    site = cluster.folder / "no-such-interface.yaml"
    site.write_text("environment: { NCCL_SOCKET_IFNAME: ib7 }\n")
    dead = cluster.folder / "dead-judge.yaml"
    dead.write_text(json.dumps(yaml.safe_load((HERE / "preflight.yaml").read_text()) | {"judges": [DEAD]}))
    before = len(accounts(cluster, "JobID"))
    status, page = preflight(cluster, str(dead), site={"CLUSTER_SITE": str(site)})
    assert status == 1 and "2 of 5 kinds of job of preflight are ok." in page
    lines = to_do(page)
    assert {*lines} == {"train/lora/tiny-bloom-s", "train/full/tiny-bloom-s", "judge/stand-in"}
    assert re.search(r"node: .*: 1 MB are free; make room", lines["train/lora/tiny-bloom-s"])
    assert "NCCL_SOCKET_IFNAME is 'ib7', but" in lines["train/full/tiny-bloom-s"]
    assert lines["judge/stand-in"].startswith("start: the server ended with status 1")
    tried = [comment for [comment] in accounts(cluster, "Comment")[before:] if "rule_preflight" in comment]
    assert len(tried) == len({*tried}) == 5, "none is submitted again"


def test_what_failed_is_tried_again_and_without_gpus_it_says_so(cluster):
    compute = cluster.checkout / "workflow/scripts/study/compute.py"
    change(compute, TOLD, ASKED)
    try:
        status, page = preflight(cluster)
    finally:
        change(compute, ASKED, TOLD)
    lines = to_do(page)
    assert status == 1 and {*lines} == {"train/lora/tiny-bloom-s", "train/full/tiny-bloom-s"}
    assert all(line.startswith("ranks: a GPU is asked for (--accelerator gpu;") for line in lines.values())


def test_all_kinds_are_ok_in_minutes_with_the_resources_of_the_run(cluster):
    shutil.rmtree(cluster.checkout / RESULTS / "preflight", ignore_errors=True)
    before, began = len(accounts(cluster, "JobID")), time.monotonic()
    status, page = preflight(cluster)
    assert status == 0 and "5 of 5 kinds of job of preflight are ok." in page and "## To do" not in page, page
    assert time.monotonic() - began < 600
    assert all(f"| {kind} " in page for kind in KINDS)
    given = {}
    for comment, partition, tres, nodes, minutes in accounts(
        cluster, "Comment,Partition,AllocTRES,NNodes,TimelimitRaw"
    )[before:]:
        gpus = dict(part.split("=") for part in tres.split(",")).get("gres/gpu", "0")
        rule = re.match(r"rule_(preflight_[a-z_]+?)(_wildcards.*)?$", comment)
        given[rule[1]] = (partition, gpus, nodes, minutes)
    assert given == {
        "preflight_training": ("gpu", "1", "1", "10"),
        "preflight_training_on_nodes": ("gpu", "2", "2", "10"),
        "preflight_judge_on_gpu": ("gpu", "1", "1", "10"),
        "preflight_translation": ("cpu", "0", "1", "10"),
        "preflight_identifier": ("cpu", "0", "1", "10"),
    }
    found = json.loads((cluster.checkout / RESULTS / "preflight/train/full/tiny-bloom-s.json").read_text())["measured"]
    assert (found["ranks"], found["all_reduce"]["backend"]) == (2, "gloo")
