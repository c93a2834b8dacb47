"""What an optimizer step takes, for any number of ranks and any size of micro-batch."""

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.steps import FILLER, StepSampler, padded_size

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=70)
LAYOUTS = st.tuples(st.integers(1, 16), st.integers(1, 300), st.integers(1, 3))  # batch, token budget, ranks


def sampler(lengths: list[int], layout: tuple[int, int, int], epochs: int = 1, **place: int) -> StepSampler:
    batch, budget, ranks = layout
    return StepSampler(lengths, batch, budget, seed=7, epochs=epochs, ranks=ranks, **place)


def examples_of(step: list[list[int | None]]) -> list[int]:
    return [example for micro_batch in step for example in micro_batch if example is not FILLER]


@settings(deadline=None)
@given(LENGTHS, LAYOUTS, st.integers(0, 2))
def test_an_epoch_takes_every_example_once_and_every_step_but_the_last_is_full(lengths, layout, epoch):
    drawn = sampler(lengths, layout, epochs=3)
    taken = [examples_of(step) for step in drawn.epoch_steps(epoch)]
    assert sorted(example for step in taken for example in step) == list(range(len(lengths)))
    assert all(len(step) == layout[0] for step in taken[:-1])
    assert len(taken) == drawn.steps


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_the_ranks_have_equally_many_micro_batches_and_all_examples_between_them(lengths, layout):
    samplers = [sampler(lengths, layout, rank=rank) for rank in range(layout[2])]
    parts = [list(one) for one in samplers]
    assert all(len(part) == len(one) for part, one in zip(parts, samplers, strict=True))
    assert sorted(examples_of([micro for part in parts for micro in part])) == list(range(len(lengths)))


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_every_step_but_the_last_of_an_epoch_has_the_same_number_of_micro_batches(lengths, layout):
    """The Trainer needs the number to accumulate over before it starts."""
    drawn = sampler(lengths, layout, epochs=3)
    whole, rest = divmod(len(lengths), layout[0])
    wanted = [drawn.accumulation] * whole + [drawn.last_accumulation] * (rest > 0)
    for epoch in range(3):
        assert [len(step) // layout[2] for step in drawn.epoch_steps(epoch)] == wanted
    assert sum(drawn.tokens_by_step) == 3 * sum(lengths)
    assert drawn.last_accumulation <= drawn.accumulation
    assert len(drawn) == sum(wanted)


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_a_micro_batch_keeps_to_the_budget_unless_a_single_example_exceeds_it(lengths, layout):
    drawn = sampler(lengths, layout, epochs=2)
    for step in (step for epoch in range(2) for step in drawn.epoch_steps(epoch)):
        for micro_batch in step:
            assert len(micro_batch) == 1 or padded_size(micro_batch, lengths) <= layout[1]
            if FILLER not in micro_batch:
                assert lengths[micro_batch[0]] == max(lengths[example] for example in micro_batch)


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_a_step_takes_the_same_examples_however_it_is_divided(lengths, layout):
    plain = StepSampler(lengths, layout[0], 10_000, seed=7, epochs=2)
    for one, other in zip(plain.epoch_steps(1), sampler(lengths, layout, epochs=2).epoch_steps(1), strict=True):
        assert sorted(examples_of(one)) == sorted(examples_of(other))


def test_each_epoch_and_each_seed_has_its_own_order():
    def order(seed: int, epoch: int) -> list:
        return [examples_of(step) for step in StepSampler([9] * 40, 8, 36, seed).epoch_steps(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_by_length_the_examples_of_twelve_and_a_half_steps_of_the_random_order_are_sorted(lengths, layout):
    rows = -(-25 * layout[0] // 2)
    plain, drawn = (
        [
            example
            for step in StepSampler(lengths, *layout[:2], seed=7, order=order)._shuffled_steps(0)
            for example in step
        ]
        for order in ("random", "by-length")
    )
    for start in range(0, len(lengths), rows):
        stretch = drawn[start : start + rows]
        assert sorted(stretch) == sorted(plain[start : start + rows])
        assert [lengths[example] for example in stretch] == sorted((lengths[e] for e in stretch), reverse=True)


@settings(deadline=None)
@given(LENGTHS, LAYOUTS, st.integers(1, 20), st.data())
def test_the_weighted_mean_over_labels_is_the_mean_of_the_means_of_groups(lengths, layout, size, data):
    labels = data.draw(st.lists(st.integers(0, 9), min_size=len(lengths), max_size=len(lengths)))
    drawn = sampler(lengths, layout, epochs=2)
    factors = drawn.label_factors(1, labels, size)
    for step in drawn._shuffled_steps(1):
        groups = [step[start : start + size] for start in range(0, len(step), size)]
        losses = {example: [10.0 * example + place for place in range(labels[example])] for example in step}
        per_group = [[loss for example in group for loss in losses[example]] for group in groups]
        whole = sum(labels[example] for example in step)
        if whole:
            ours = sum(factors[example] * loss for example in step for loss in losses[example]) / whole
            assert ours == pytest.approx(fmean(fmean(group) for group in per_group if group))


def test_there_is_little_padding_and_the_ranks_share_the_work_evenly():
    lengths = [20 + 13 * number % 400 for number in range(512)]
    drawn = StepSampler(lengths, 128, 3000, seed=1, ranks=4)
    assert sum(lengths) / drawn.padded_tokens() > 0.9
    for step in drawn.epoch_steps(0):
        work = [sum(padded_size(micro_batch, lengths) for micro_batch in step[rank::4]) for rank in range(4)]
        assert max(work) < 1.1 * min(work)


def test_no_single_example_is_left_over_for_a_last_micro_batch():
    """Nine examples of a length of which the budget holds eight are split into five and four, not eight and one."""
    (step,) = StepSampler([10] * 9, 9, 80, seed=1).epoch_steps(0)
    assert sorted(map(len, step)) == [4, 5]
