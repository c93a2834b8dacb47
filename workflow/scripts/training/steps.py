"""Which examples an optimizer step takes, and how they are distributed over micro-batches and ranks.

A step takes exactly `batch` examples, in an order that depends only on the seed and the epoch; the last step of an
epoch takes the rest. Within a step the examples are sorted by length, cut into micro-batches of at most `budget`
tokens, padding included, and dealt to the ranks in turn: there is little padding, ranks are balanced, and neither
changes which examples the step learns from or how much each of their labels weighs. Every step has the same number of
micro-batches per rank, as the Trainer's gradient accumulation requires: the fewest with which the fullest step can
manage.
"""

import math
import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

SORTED_STEPS = 12.5  # sorted together with order by-length: fifty of one of the four GPUs in the authors' command
FILLER = None  # stands for an example without labels, for a rank that has none left while the others do
MicroBatch = list[int | None]


def cut_micro_batches(ordered: Sequence[int], lengths: Sequence[int], budget: int) -> list[MicroBatch]:
    """Cut `ordered` examples, longest first, into as few micro-batches as the budget of tokens allows. An example that
    exceeds the budget by itself gets its own micro-batch."""
    micro_batches: list[MicroBatch] = []
    longest = 0
    for example in ordered:
        if micro_batches and longest * (len(micro_batches[-1]) + 1) <= budget:
            micro_batches[-1].append(example)
        else:
            micro_batches.append([example])
            longest = lengths[example]
    return micro_batches


def padded_size(micro_batch: MicroBatch, lengths: Sequence[int]) -> int:
    """Tokens of a micro-batch, padding included."""
    return len(micro_batch) * lengths[micro_batch[0]] if micro_batch[0] is not FILLER else 0


def deal_micro_batches(examples: Sequence[int], lengths: Sequence[int], budget: int, count: int) -> list[MicroBatch]:
    """`count` micro-batches of `examples`, the largest first, of sizes as even as whole examples allow.

    `count` must be at least the number that `cut_micro_batches` gives; if there are too few examples, fillers make up
    the number.
    """
    ordered = longest_first(examples, lengths)
    # The smallest budget that still gives `count`: it evens out the room left in the last micro-batch over all of them.
    budgets = range(lengths[ordered[0]], budget)
    smallest = bisect_left(
        budgets, True, key=lambda smaller: len(cut_micro_batches(ordered, lengths, smaller)) <= count
    )
    dealt = cut_micro_batches(ordered, lengths, budgets[smallest] if smallest < len(budgets) else budget)
    dealt.sort(key=lambda micro_batch: -padded_size(micro_batch, lengths))
    return dealt + [[FILLER]] * (count - len(dealt))


def longest_first(examples: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """Examples by decreasing length, ties by their number."""
    return sorted(examples, key=lambda example: (-lengths[example], example))


class StepSampler:
    """Yields one rank's micro-batches of an epoch; to be the `batch_sampler` of a DataLoader.

    `lengths` are the tokens of each example, `budget` the most tokens of a micro-batch. The `order` by-length gives
    steps of examples of similar length, as --group_by_length of Transformers. Set `epoch` before each iteration.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch: int,
        budget: int,
        seed: int,
        epochs: int = 1,
        rank: int = 0,
        ranks: int = 1,
        order: str = "random",
    ):
        self.lengths, self.batch, self.budget, self.seed = lengths, batch, budget, seed
        self.epochs, self.rank, self.ranks, self.order = epochs, rank, ranks, order
        self.epoch = 0
        needed = [[self._rounds_needed(step) for step in self._shuffled_steps(epoch)] for epoch in range(epochs)]
        last = len(lengths) % batch > 0
        self.last_accumulation = max(rounds[-1] for rounds in needed) if last else 0
        whole = [rounds for epoch in needed for rounds in (epoch[:-1] if last else epoch)]
        self.accumulation = max([*whole, self.last_accumulation])

    @property
    def steps(self) -> int:
        """Optimizer steps per epoch."""
        return -(-len(self.lengths) // self.batch)

    def _shuffled_steps(self, epoch: int) -> Iterator[list[int]]:
        """The examples of each step."""
        order = list(range(len(self.lengths)))
        random.Random(f"order {self.seed} {epoch}").shuffle(order)
        if self.order == "by-length":
            rows = math.ceil(SORTED_STEPS * self.batch)
            stretches = (order[start : start + rows] for start in range(0, len(order), rows))
            order = [example for stretch in stretches for example in longest_first(stretch, self.lengths)]
        for start in range(0, len(order), self.batch):
            yield order[start : start + self.batch]

    def _rounds_needed(self, examples: Sequence[int]) -> int:
        """The fewest micro-batches per rank with which a step can manage."""
        return -(
            -len(cut_micro_batches(longest_first(examples, self.lengths), self.lengths, self.budget)) // self.ranks
        )

    def epoch_steps(self, epoch: int) -> Iterator[list[MicroBatch]]:
        """The micro-batches of each step of `epoch`, for all ranks."""
        for examples in self._shuffled_steps(epoch):
            rounds = self.accumulation if len(examples) == self.batch else self.last_accumulation
            yield deal_micro_batches(examples, self.lengths, self.budget, rounds * self.ranks)

    def label_factors(self, epoch: int, labels: Sequence[int], size: int) -> list[float]:
        """How often the loss at a label of each example counts, so that the mean over a step's labels becomes the mean
        over groups of `size` examples of the means over their labels.

        `labels` has the number of labels of each example. Groups are of consecutive examples; those without any label
        are left out of the mean.
        """
        factors = [0.0] * len(self.lengths)
        for step in self._shuffled_steps(epoch):
            groups = [step[start : start + size] for start in range(0, len(step), size)]
            counts = [sum(labels[example] for example in group) for group in groups]
            share = sum(counts) / max(sum(count > 0 for count in counts), 1)
            for group, count in zip(groups, counts, strict=True):
                for example in group:
                    factors[example] = share / max(count, 1)
        return factors

    @cached_property
    def tokens_by_step(self) -> list[int]:
        """Tokens of each step of all epochs, without padding."""
        return [
            sum(self.lengths[example] for example in step)
            for epoch in range(self.epochs)
            for step in self._shuffled_steps(epoch)
        ]

    def padded_tokens(self) -> int:
        """Tokens that all ranks process over all epochs, padding included."""
        return sum(
            padded_size(micro_batch, self.lengths)
            for epoch in range(self.epochs)
            for step in self.epoch_steps(epoch)
            for micro_batch in step
        )

    def __iter__(self) -> Iterator[MicroBatch]:
        for step in self.epoch_steps(self.epoch):
            yield from step[self.rank :: self.ranks]

    def __len__(self) -> int:
        return len(self.lengths) // self.batch * self.accumulation + self.last_accumulation
