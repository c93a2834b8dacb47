"""The arithmetic of a plan: from counts and assumptions to tokens, hours, memory, bytes and seconds."""

import math

import pytest

from planning import estimates
from planning.walltime import schedule

LORA = {"precision": "bf16", "lora": {"rank": 8, "alpha": 16, "dropout": 0.05}}
FULL = {"precision": "bf16", "zero_stage": 3}
A100 = estimates.device_rate("NVIDIA A100-SXM4-80GB", None, 0.4)


@pytest.mark.parametrize(
    ("rows", "languages", "hold_out", "drawn"),
    [
        ("all", 1, "ids", (50_760, 1000)),
        ("all", 9, "ids", (9 * 50_760, 9000)),
        ("one-language", 9, "ids", (50_760, 9000)),
        (20_000, 9, "ids", (20_000, 9000)),
        ("all", 9, "rows", (9 * 51_760 - 1000, 1000)),
    ],
)
def test_a_recipe_has_as_many_rows_as_recipe_py_draws(rows, languages, hold_out, drawn):
    assert estimates.recipe_rows(rows, 51_760, languages, 1000, hold_out) == drawn


def test_the_papers_longest_training_takes_117_hours_of_an_a100():
    tokens = 5 * 9 * 50_760 * 320
    assert estimates.full_training_flops(12e9, tokens) / A100 / 3600 == pytest.approx(117, abs=0.5)


def test_a_device_of_ones_own_is_told_by_its_flops():
    assert estimates.device_rate("abacus", 1e9, 0.5) == 5e8


def test_a_training_that_is_longer_than_its_limit_goes_on_until_it_ends():
    assert estimates.attempts(3600, start_up=60, runtime=120) == 1
    assert estimates.attempts(3 * 3600, start_up=60, runtime=120) == 2, (
        "each loses start-up, and five minutes at the end"
    )
    assert estimates.attempts(10 * 3600, start_up=60, runtime=60) == 12
    assert estimates.attempts(3600, start_up=60, runtime=6) is None, "none of it is left for training"
    assert estimates.attempts(1e9, start_up=60, runtime=None) == 1, "no limit"


def test_memory_is_of_weights_gradients_and_optimizer_as_zero_divides_them():
    assert estimates.weights_in_training(1e9, LORA, 4) == 2e9, "adapters are small"
    assert estimates.weights_in_training(1e9, {"precision": "fp32"}, 1) == 16e9
    assert estimates.weights_in_training(1e9, FULL | {"zero_stage": 2}, 4) == 2e9 + 2e9 / 4 + 12e9 / 4
    assert estimates.weights_in_training(1e9, FULL, 4) == 16e9 / 4
    assert estimates.weights_in_training(1e9, FULL | {"offload": "optimizer"}, 4) == 4e9 / 4
    assert estimates.weights_in_training(1e9, FULL | {"offload": "all"}, 4) == 2e9 / 4


def test_an_adapter_has_the_size_that_its_rank_gives():
    """Pythia-12b has 36 layers of width 5,120: query_key_value takes 8 x (5,120 + 3 x 5,120) a layer."""
    assert estimates.adapter_parameters(12e9, 8) == pytest.approx(36 * 8 * 4 * 5120, rel=0.1)
    assert estimates.adapter_parameters(12e9, 64) == pytest.approx(8 * estimates.adapter_parameters(12e9, 8))


def test_models_on_the_disk_have_the_precision_in_which_they_were_trained():
    assert estimates.model_bytes(1e9, FULL) == 2e9
    assert estimates.model_bytes(1e9, {"precision": "bf16"}) == 4e9, "without ZeRO, trained weights are fp32"
    assert estimates.checkpoint_bytes(1e9, FULL) == 3 * (2e9 + 12e9)


def test_a_judge_keeps_its_limits():
    assert estimates.judge_seconds(100, 800, {"concurrency": 4}, latency=2) == 50
    assert estimates.judge_seconds(100, 800, {"requests_per_minute": 60}, latency=2) == 100
    assert estimates.judge_seconds(100, 800, {"tokens_per_minute": 24_000}, latency=2) == 200


def test_a_job_that_is_slower_than_its_judge_allows_leaves_a_share_of_the_limits_to_others():
    judge = {"concurrency": 4, "tokens_per_minute": 1_000_000}
    assert estimates.share_of_limits(800, judge | {"requests_per_minute": 240}, latency=2) == 50
    assert estimates.share_of_limits(800, judge | {"requests_per_minute": 60}, latency=2) == 100
    assert estimates.share_of_limits(800, {"concurrency": 4}, latency=2) == 0


# --- schedule --------------------------------------------------------------------------------------------------------


def taking(count):
    return lambda job: {"devices": count}


def test_jobs_share_devices_and_the_longest_go_first():
    seconds = {"short": 1.0, "long": 3.0, "middle": 2.0}
    assert schedule(seconds, lambda job: (), taking(1), {"devices": 2}).seconds == 3
    assert schedule(seconds, lambda job: (), taking(1), {"devices": 1}).seconds == 6


def test_a_job_waits_for_what_it_needs_and_not_for_what_is_there():
    needs = {"train": ["base"], "respond": ["train", "prompts"]}
    seconds = {"train": 5.0, "respond": 2.0}
    assert schedule(seconds, lambda job: needs[job], taking(1), {"devices": 8}).seconds == 7


def test_a_job_that_wants_more_than_there_is_takes_all():
    assert schedule({"a": 1.0, "b": 1.0}, lambda job: (), taking(8), {"devices": 4}).seconds == 2


def test_what_is_not_limited_does_not_wait():
    seconds = dict.fromkeys(range(100), 1.0)
    assert schedule(seconds, lambda job: (), lambda job: {"judging": 0, "cpu": 4}, {"devices": 1}).seconds == 1


def test_the_peak_is_of_jobs_that_run_at_one_time():
    held = schedule({"a": 1.0, "b": 1.0, "c": 1.0}, lambda job: (), taking(1), {"devices": 2}, lambda job: 10.0)
    assert (held.seconds, held.peak) == (2, 20)


def test_nothing_takes_no_time():
    assert schedule({}, lambda job: (), taking(1), {"devices": 1}) == (0.0, 0.0)
    assert math.isfinite(schedule({"a": 0.0}, lambda job: (), taking(1), {"devices": 1}).seconds)
