"""What jobs ask a cluster for, by method, size and attempt."""

import pytest

from studies import miniature, paper, run
from study.compute import Compute

SMALL, MIDDLE, LARGE = "bloom-560m", "bloom-3b", "bloom-7b1"


@pytest.fixture(scope="module")
def compute() -> Compute:
    return Compute(paper())


def of(method: str, model: str):
    return run(f"{method}/{model}/multilingual")


@pytest.mark.parametrize(
    ("method", "model", "up_to"),
    [("lora", SMALL, 3.5), ("lora", LARGE, 13), ("full", SMALL, 1.5), ("full", MIDDLE, 3.5), ("full", LARGE, 13)],
)
def test_a_model_takes_the_first_row_that_reaches_its_size(compute, method, model, up_to):
    assert compute.request(of(method, model))["up_to"] == up_to


def test_the_order_of_the_rows_does_not_matter():
    config = paper()
    config["compute"]["full"].reverse()
    assert Compute(config).request(of("full", SMALL))["up_to"] == 1.5


def test_a_derived_method_asks_for_what_its_base_asks_for():
    config = paper(methods={"lora-r64": {"of": "lora", "train": {"rank": 64}}})
    assert Compute(config).request(of("lora-r64", LARGE))["ranks"] == 4


@pytest.mark.parametrize(
    ("method", "model", "ranks", "cores", "gpus", "runtime"),
    [
        ("lora", SMALL, 1, 8, 1, "24h"),
        ("lora", LARGE, 4, 32, 4, "36h"),
        ("full", SMALL, 1, 8, 1, "12h"),
        ("full", LARGE, 8, 64, 8, "36h"),
    ],
)
def test_a_training_on_one_node_asks_for_its_ranks(compute, method, model, ranks, cores, gpus, runtime):
    training = of(method, model)
    assert compute.ranks_of_node(training) == ranks
    assert compute.nodes(training) == 1
    assert compute.cores_of_node(training) == cores
    assert compute.gpus_of_training(training) == gpus
    assert compute.runtime(training) == runtime


def test_each_attempt_adds_half_of_the_memory_up_to_what_a_node_has(compute):
    assert [compute.memory_of_node(of("lora", SMALL), attempt) for attempt in (1, 2, 3)] == [64_000, 96_000, 128_000]
    assert [compute.memory_of_node(of("lora", LARGE), attempt) for attempt in (1, 2, 3, 4)] == [
        240_000,
        360_000,
        480_000,
        500_000,
    ]


def test_ranks_share_the_memory_of_their_node(compute):
    assert compute.memory_of_rank(of("full", LARGE)) == 60 * 10**9
    assert compute.memory_of_rank(of("lora", SMALL)) == 64 * 10**9


def test_the_paper_needs_no_second_node_where_nodes_have_eight_gpus(compute):
    assert compute.models_on_several_nodes() == []


def test_where_nodes_have_four_gpus_the_largest_models_take_two_nodes_each():
    compute = Compute(paper(compute={"node": {"gpus": 4, "memory": "500GB"}}))
    training = of("full", LARGE)
    assert compute.models_on_several_nodes() == ["pythia-6.9b", "pythia-12b", "bloom-7b1", "llama-7b", "open-llama-7b"]
    assert (compute.nodes(training), compute.ranks_of_node(training)) == (2, 4)
    assert compute.cores_of_node(training) == 32, "cores of each node"
    assert compute.gpus_of_training(training) == 8, "GPUs of both nodes"
    assert compute.memory_of_rank(training) == 120 * 10**9
    assert compute.launcher(training) == ["workflow/scripts/launch.py", "--ranks", 4, "--nodes", 2]
    assert compute.nodes(of("full", MIDDLE)) == 1


def test_a_model_without_a_row_for_full_parameter_training_takes_no_nodes():
    config = paper(compute={"node": {"gpus": 4, "memory": "500GB"}})
    config["compute"]["full"] = [row for row in config["compute"]["full"] if row["up_to"] < 13]
    assert Compute(config).models_on_several_nodes() == []


def test_lora_in_one_process_needs_no_launcher(compute):
    assert compute.launcher(of("lora", SMALL)) == []
    assert compute.launcher(of("lora", LARGE)) == ["workflow/scripts/launch.py", "--ranks", 4]
    assert compute.launcher(of("full", SMALL)) == ["workflow/scripts/launch.py", "--ranks", 1], "ZeRO needs one"


def test_the_miniature_asks_for_no_gpu():
    compute = Compute(miniature())
    training = of("full", "tiny-bloom-s")
    assert (compute.gpus(1), compute.gpus_of_training(training)) == (0, 0)
    assert (compute.ranks_of_node(training), compute.cores_of_node(training)) == (2, 2)
    assert compute.memory_of_node(training, 1) == 4_000


def test_a_rank_has_as_many_cores_as_the_configuration_says_and_one_gpu(compute):
    assert (compute.cores_of_rank, compute.gpus(3)) == (8, 3)


def test_programs_are_told_what_the_configuration_says():
    assert [Compute(config).accelerator for config in (paper(), miniature())] == ["gpu", "cpu"]
