"""What an optimizer step takes, for any number of ranks and any micro-batch."""

from hypothesis import given, settings
from hypothesis import strategies as st
from steps import FILLER, StepSampler

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=70)
LAYOUTS = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))  # micro-batch, accumulation, ranks


def examples_of(step: list[list[int | None]]) -> list[int]:
    return [example for micro_batch in step for example in micro_batch if example is not FILLER]


@settings(deadline=None)
@given(LENGTHS, LAYOUTS, st.integers(0, 5))
def test_an_epoch_takes_every_example_once_and_every_step_but_the_last_is_full(lengths, layout, epoch):
    micro_batch, accumulation, ranks = layout
    batch = micro_batch * accumulation * ranks
    sampler = StepSampler(lengths, batch, micro_batch, seed=7, ranks=ranks)
    taken = [examples_of(step) for step in sampler.epoch_steps(epoch)]
    assert sorted(example for step in taken for example in step) == list(range(len(lengths)))
    assert all(len(step) == batch for step in taken[:-1])
    assert len(taken) == sampler.steps


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_the_ranks_have_equally_many_micro_batches_and_together_all_of_them(lengths, layout):
    micro_batch, accumulation, ranks = layout
    batch = micro_batch * accumulation * ranks
    parts = [list(StepSampler(lengths, batch, micro_batch, seed=7, rank=rank, ranks=ranks)) for rank in range(ranks)]
    for rank, part in enumerate(parts):
        assert len(part) == len(StepSampler(lengths, batch, micro_batch, seed=7, rank=rank, ranks=ranks))
    assert sorted(examples_of([micro for part in parts for micro in part])) == list(range(len(lengths)))


@settings(deadline=None)
@given(LENGTHS, LAYOUTS)
def test_a_step_takes_the_same_examples_however_it_is_laid_out(lengths, layout):
    micro_batch, accumulation, ranks = layout
    batch = micro_batch * accumulation * ranks
    plain = StepSampler(lengths, batch, batch, seed=7)
    laid_out = StepSampler(lengths, batch, micro_batch, seed=7, ranks=ranks)
    for one, other in zip(plain.epoch_steps(1), laid_out.epoch_steps(1), strict=True):
        assert sorted(examples_of(one)) == sorted(examples_of(other))


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed: int, epoch: int) -> list:
        return [examples_of(step) for step in StepSampler([9] * 40, 8, 4, seed).epoch_steps(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_sorting_inside_the_step_leaves_little_padding():
    lengths = [20 + 13 * number % 400 for number in range(512)]
    padded = StepSampler(lengths, 128, 8, seed=1).padded_tokens(epochs=1)
    assert sum(lengths) / padded > 0.9
    assert padded == sum(
        len(examples) * max(lengths[example] for example in examples) for examples in StepSampler(lengths, 128, 8, 1)
    )
