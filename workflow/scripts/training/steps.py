"""Which examples an optimizer step takes, and how they are spread over micro-batches and ranks.

A step takes exactly `batch` examples of an order that depends on the seed and the epoch alone; the last step of an
epoch takes what is left. Within the step the examples are sorted by length and cut into micro-batches of at most
`budget` tokens, padding included, dealt to the ranks in turn: padding is small, ranks are balanced, and neither
changes what the step learns from. Every step has as many micro-batches a rank, as the Trainer's accumulation wants it:
as few as the fullest step can do with.
"""

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

FILLER = None  # stands for an example without labels, where a rank would have none while the others do
MicroBatch = list[int | None]


def cut(ordered: Sequence[int], lengths: Sequence[int], budget: int) -> list[MicroBatch]:
    """Cut examples, longest first, into as few micro-batches as the budget allows. An example that is over it by
    itself is a micro-batch of its own."""
    micro_batches: list[MicroBatch] = []
    longest = 0
    for example in ordered:
        if micro_batches and longest * (len(micro_batches[-1]) + 1) <= budget:
            micro_batches[-1].append(example)
        else:
            micro_batches.append([example])
            longest = lengths[example]
    return micro_batches


def padded(micro_batch: MicroBatch, lengths: Sequence[int]) -> int:
    """Tokens of a micro-batch, padding included."""
    return len(micro_batch) * lengths[micro_batch[0]] if micro_batch[0] is not FILLER else 0


def deal(examples: Sequence[int], lengths: Sequence[int], budget: int, count: int) -> list[MicroBatch]:
    """`count` micro-batches of `examples`, the largest first, cut as evenly as whole examples can be.

    `count` must be at least what `cut` makes of them; where there is nothing left to cut, fillers make up the number.
    """
    ordered = in_order(examples, lengths)
    # The smallest budget that does with as many: what is over in the last micro-batch goes to all of them.
    budgets = range(lengths[ordered[0]], budget)
    found = bisect_left(budgets, True, key=lambda smaller: len(cut(ordered, lengths, smaller)) <= count)
    dealt = cut(ordered, lengths, budgets[found] if found < len(budgets) else budget)
    dealt.sort(key=lambda micro_batch: -padded(micro_batch, lengths))
    return dealt + [[FILLER]] * (count - len(dealt))


def in_order(examples: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """Longest first."""
    return sorted(examples, key=lambda example: (-lengths[example], example))


class StepSampler:
    """Yields one rank's micro-batches of an epoch, for the `batch_sampler` of a DataLoader.

    `lengths` are tokens by example, `budget` tokens of a micro-batch. Set `epoch` before each iteration.
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
    ):
        self.lengths, self.batch, self.budget, self.seed = lengths, batch, budget, seed
        self.epochs, self.rank, self.ranks = epochs, rank, ranks
        self.epoch = 0
        needed = [[self._rounds(step) for step in self._drawn(epoch)] for epoch in range(epochs)]
        last = len(lengths) % batch > 0
        self.last_accumulation = max(rounds[-1] for rounds in needed) if last else 0
        whole = [rounds for epoch in needed for rounds in (epoch[:-1] if last else epoch)]
        self.accumulation = max([*whole, self.last_accumulation])

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-len(self.lengths) // self.batch)

    def _drawn(self, epoch: int) -> Iterator[list[int]]:
        """The examples of each step."""
        order = list(range(len(self.lengths)))
        random.Random(f"order {self.seed} {epoch}").shuffle(order)
        for start in range(0, len(order), self.batch):
            yield order[start : start + self.batch]

    def _rounds(self, examples: Sequence[int]) -> int:
        """Micro-batches a rank that a step cannot do without."""
        return -(-len(cut(in_order(examples, self.lengths), self.lengths, self.budget)) // self.ranks)

    def epoch_steps(self, epoch: int) -> Iterator[list[MicroBatch]]:
        """The micro-batches, over all ranks, of each step of `epoch`."""
        for examples in self._drawn(epoch):
            rounds = self.accumulation if len(examples) == self.batch else self.last_accumulation
            yield deal(examples, self.lengths, self.budget, rounds * self.ranks)

    @cached_property
    def tokens_by_step(self) -> list[int]:
        """Tokens, without padding, of each step of all epochs."""
        return [
            sum(self.lengths[example] for example in step)
            for epoch in range(self.epochs)
            for step in self._drawn(epoch)
        ]

    def padded_tokens(self) -> int:
        """Tokens, padding included, that all ranks compute over all epochs."""
        return sum(
            padded(micro_batch, self.lengths)
            for epoch in range(self.epochs)
            for step in self.epoch_steps(epoch)
            for micro_batch in step
        )

    def __iter__(self) -> Iterator[MicroBatch]:
        for step in self.epoch_steps(self.epoch):
            yield from step[self.rank :: self.ranks]

    def __len__(self) -> int:
        return len(self.lengths) // self.batch * self.accumulation + self.last_accumulation
