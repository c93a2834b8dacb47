"""Which examples an optimizer step takes, and how they are spread over micro-batches and ranks.

A step takes exactly `batch` examples of an order that depends on the seed and the epoch alone; the last step of an
epoch takes what is left. Within the step the examples are sorted by length and cut into micro-batches, dealt to the
ranks in turn: padding is small, ranks are balanced, and neither changes what the step learns from.
"""

import random
from collections.abc import Iterator, Sequence

FILLER = None  # stands for an example without labels, where a rank would have none while the others do


def deal(examples: Sequence[int], lengths: Sequence[int], micro_batch: int, ranks: int) -> list[list[int | None]]:
    """Micro-batches of `examples`, longest first; number i belongs to rank i mod `ranks`, and each has as many."""
    ordered = sorted(examples, key=lambda example: (-lengths[example], example))
    dealt = [ordered[start : start + micro_batch] for start in range(0, len(ordered), micro_batch)]
    return dealt + [[FILLER]] * (-len(dealt) % ranks)


class StepSampler:
    """Yields one rank's micro-batches of an epoch, for the `batch_sampler` of a DataLoader.

    `lengths` are tokens by example; `batch` must be a multiple of `micro_batch` × `ranks`. Set `epoch` before
    each iteration.
    """

    def __init__(self, lengths: Sequence[int], batch: int, micro_batch: int, seed: int, rank: int = 0, ranks: int = 1):
        self.lengths, self.batch, self.micro_batch, self.seed = lengths, batch, micro_batch, seed
        self.rank, self.ranks = rank, ranks
        self.epoch = 0

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-len(self.lengths) // self.batch)

    def epoch_steps(self, epoch: int) -> Iterator[list[list[int | None]]]:
        """The micro-batches, over all ranks, of each step of `epoch`."""
        order = list(range(len(self.lengths)))
        random.Random(f"order {self.seed} {epoch}").shuffle(order)
        for start in range(0, len(order), self.batch):
            yield deal(order[start : start + self.batch], self.lengths, self.micro_batch, self.ranks)

    def padded_tokens(self, epochs: int) -> int:
        """Tokens, padding included, that all ranks compute over `epochs`."""
        return sum(
            len(examples) * max(self.lengths[example] for example in examples)
            for epoch in range(epochs)
            for step in self.epoch_steps(epoch)
            for examples in step
            if FILLER not in examples
        )

    def __iter__(self) -> Iterator[list[int | None]]:
        for step in self.epoch_steps(self.epoch):
            yield from step[self.rank :: self.ranks]

    def __len__(self) -> int:
        whole, rest = divmod(len(self.lengths), self.batch)
        return whole * (self.batch // (self.micro_batch * self.ranks)) + -(-rest // (self.micro_batch * self.ranks))
