"""Set-ups that differ in ranks, micro-batches, sharding or memory take the steps of the plain padded loop."""

import json
import math
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from basics.reading import read_json
from padded_loop import padded_loop
from trainings import LORA, SETTINGS, Training, make_house, tune

STEPS = 12  # 22 rows in steps of 8, 8 and 6, four times
BUDGETS = (512, 2048)
CHUNK = 40_000  # logits at once; ranks then have different numbers of chunks
# Families, and how their losses are averaged: over the labels of a step, or over pairs, as from micro-batches of two.
CASES = [*((family, "step") for family in tiny.ARCHITECTURES), ("bloom", 2)]
LEARNING_RATE = {"lora": 1e-2, "full": 1e-3}


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    return make_house(tmp_path_factory.mktemp("house"), max_length=300, words=10)


def settings(method: str, **changed) -> dict:
    """The paper's settings, with each method's own loss."""
    method_s = {"lora": {"lora": LORA, "loss_on": "all"}, "full": {"loss_on": "response", "schedule": "cosine"}}[method]
    return SETTINGS | {"epochs": 4, "learning_rate": LEARNING_RATE[method]} | method_s | changed


@pytest.fixture(scope="module")
def plain(house) -> dict[tuple[str, str, str | int], list[float]]:
    """The padded loop's losses, by method, family and loss_mean."""
    return {
        (method, family, mean): padded_loop(
            house, family, tiny.MODULES[family] if method == "lora" else [], settings(method, loss_mean=mean)
        )
        for method in ("lora", "full")
        for family, mean in CASES
    }


def train_losses(record: dict) -> list[float]:
    losses = [loss for _, loss in record["losses"]["train"]]
    assert len(losses) == STEPS
    return losses


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize(("family", "mean"), CASES)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_one_rank_takes_the_steps_of_the_padded_loop(house, plain, tmp_path, method, family, mean, budget):
    wanted = settings(method, micro_batch_tokens=budget, loss_mean=mean)
    record = tune(Training(house, tmp_path / "model", method, family), **wanted)
    assert record["accumulation"] == {512: 4, 2048: 1}[budget]
    assert train_losses(record) == pytest.approx(plain[method, family, mean], abs=1e-5)
    assert record["padded_tokens"] < 1.2 * record["tokens"] or budget == 2048


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_mean_over_pairs_is_another_loss(plain, method):
    assert plain[method, "bloom", 2] != pytest.approx(plain[method, "bloom", "step"], abs=1e-3)


TOGETHER = {"ddp-lora": ("lora", None), "ddp": ("full", None), "zero-2": ("full", 2), "zero-3": ("full", 3)}


@pytest.fixture(scope="module")
def together(house, tmp_path_factory) -> dict[tuple[str, str, str | int], dict]:
    """training.json of trainings on two ranks, by way of sharing the work, family and loss_mean."""
    folder = tmp_path_factory.mktemp("together")
    trainings, outputs = [], {}
    for way, (method, stage) in TOGETHER.items():
        for family, mean in CASES:
            output = folder / f"{way}-{family}-{mean}"
            outputs[way, family, mean] = output
            wanted = settings(method, micro_batch_tokens=512, zero_stage=stage, loss_mean=mean)
            arguments = Training(house, output, method, family).arguments()
            trainings.append({"arguments": vars(arguments), "settings": wanted, "chunk": CHUNK})
    (folder / "trainings.json").write_text(json.dumps(trainings, default=str), encoding="utf-8")
    launch = [sys.executable, tiny.SCRIPTS / "launch.py", "--ranks", "2"]
    run = subprocess.run(
        [*map(str, launch), str(Path(__file__).with_name("train_many.py")), str(folder / "trainings.json")],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return {key: read_json(output / "training.json") for key, output in outputs.items()}


def test_two_nodes_take_the_steps_of_the_padded_loop(house, plain, tmp_path):
    """Each has its launcher, as on a cluster; they meet at an address."""
    training = Training(house, tmp_path / "model", "lora")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = f"--nnodes 2 --rdzv-backend c10d --rdzv-id test --rdzv-endpoint 127.0.0.1:{port}"
    command = training.command(**settings("lora", micro_batch_tokens=512))
    command[1:1] = [str(tiny.SCRIPTS / "launch.py"), "--ranks", "1", "--torchrun", meeting]
    nodes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for node in nodes:
        _, messages = node.communicate(timeout=300)
        assert node.returncode == 0, messages[-2000:]
    record = read_json(training.output / "training.json")
    assert (record["ranks"], record["accumulation"]) == (2, 2)
    assert train_losses(record) == pytest.approx(plain["lora", "bloom", "step"], abs=1e-5)


@pytest.mark.parametrize("way", TOGETHER)
def test_two_ranks_take_the_steps_of_the_padded_loop(together, plain, way):
    """DDP for both methods; DeepSpeed's ZeRO-2 and ZeRO-3, which shard optimizer, gradients and weights."""
    method, stage = TOGETHER[way]
    for family, mean in CASES:
        record = together[way, family, mean]
        assert (record["ranks"], record["accumulation"], record["settings"]["zero_stage"]) == (2, 2, stage)
        assert train_losses(record) == pytest.approx(plain[method, family, mean], abs=1e-5), (family, mean)
        assert math.isclose(record["reloaded"]["validation_loss"], record["best"]["validation_loss"], rel_tol=1e-5)
