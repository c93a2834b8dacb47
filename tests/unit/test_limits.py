"""Time limits of trainings that are too short, or so long that a job waits for nothing."""

import pytest

from planning.limits import time_advice

CONFIG = {
    "compute": {
        "lora": [
            {"up_to": 3.5, "ranks": 1, "memory": "64GB", "runtime": "24h"},
            {"up_to": 13, "ranks": 4, "memory": "240GB", "runtime": "36h"},
        ]
    },
    "models": {
        "tiny": {"billions": 0.07},
        "small": {"billions": 0.5},
        "middle": {"billions": 3},
        "large": {"billions": 12},
    },
    "methods": {"lora": {"of": "lora"}, "lora-r64": {"of": "lora"}},
}


def training(model: str, needed: float, limit: float = 24, **more) -> dict:
    row = {"method": "lora", "model": model, "recipe": "multilingual", "left": True, "hours_source": "preflight"}
    return row | {"needed_hours": needed, "walltime_hours": limit} | more


def test_limits_that_suit_are_left_alone():
    assert time_advice([training("middle", 14), training("small", 6), training("large", 29, 36)], CONFIG) == []


def test_a_limit_that_is_too_short_is_told_with_the_longest_training_and_a_value():
    [line] = time_advice([training("middle", 27.3), training("middle", 20, recipe="mono-en")], CONFIG)
    assert line == (
        "compute.lora, the row with up_to 3.5: middle/multilingual needs 27 h (preflight) of its 24h: write runtime:"
        " 33h; without, it is interrupted and resumed"
    )


def test_a_limit_that_is_far_too_long_for_small_models_is_told_with_rows_for_them():
    rows = [training("tiny", 0.68), training("small", 4.5), training("middle", 20)]
    [line] = time_advice(rows, CONFIG)
    assert line == (
        "compute.lora, the row with up_to 3.5: tiny to small need 41 min (preflight) to 4.5 h (preflight) of its 24h:"
        " put before it { up_to: 0.07, ranks: 1, memory: 64GB, runtime: 1h } and"
        " { up_to: 0.5, ranks: 1, memory: 64GB, runtime: 6h }, and these wait less in the queue"
    )


def test_a_limit_that_is_far_too_long_for_all_its_models_is_replaced():
    [line] = time_advice([training("large", 2.5, 36)], CONFIG)
    assert line.endswith(
        "large/multilingual needs 2.5 h (preflight) of its 36h: write"
        " { up_to: 13, ranks: 4, memory: 240GB, runtime: 3h }, and these wait less in the queue"
    )


def test_what_is_done_has_no_limit_and_a_method_of_ones_own_has_the_rows_of_its_base():
    done = training("middle", 99, left=False)
    assert time_advice([done, training("middle", 99, limit=None)], CONFIG) == []
    [line] = time_advice([training("middle", 30, method="lora-r64")], CONFIG)
    assert line.startswith("compute.lora-r64, the row with up_to 3.5: middle/multilingual needs 30 h")


@pytest.mark.parametrize(("needed", "lines"), [(0.01, 0), (0.9, 0)])
def test_nobody_is_told_to_ask_for_less_than_an_hour(needed, lines):
    assert len(time_advice([training("middle", needed, limit=2)], CONFIG)) == lines
