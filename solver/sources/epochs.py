"""Which items a batch holds: Caffe's cursor, that wraps around at the end, as a function of the batch's number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..chance import chance

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Epochs:
    """Items without end, epoch after epoch, cut into batches: a batch may end one epoch and begin the next.

    ``parts``: how many items each file holds. ``shuffle``: every epoch has a new order, of the files and, within each, of its
    items (as HDF5Data shuffles; a list is one file). ``skip``: how many items the first batch leaves out.
    """

    parts: Sizes
    batch_size: int
    shuffle: bool
    seed: int
    skip: int = 0

    def items(self, batch: int) -> list[tuple[int, int]]:
        """Of every item of a batch its number, counted over all epochs, and its place in the list."""
        start = self.skip + batch * self.batch_size
        return [(number, self._place(number)) for number in range(start, start + self.batch_size)]

    def _place(self, number: int) -> int:
        epoch, position = divmod(number, sum(self.parts))
        return int(_order(self.parts, self.seed, epoch)[position]) if self.shuffle else position


def skipped(rand_skip: int, seed: int) -> int:
    """How many items a layer with this ``rand_skip`` leaves out at the start: a random number below it."""
    return int(chance(seed, "skip", 0).integers(rand_skip)) if rand_skip else 0


@lru_cache(maxsize=4)
def _order(parts: Sizes, seed: int, epoch: int) -> np.ndarray:
    """The items' places in the order of an epoch."""
    rng = chance(seed, "shuffle", epoch)
    starts = np.cumsum((0, *parts))
    return np.concatenate([starts[part] + rng.permutation(parts[part]) for part in rng.permutation(len(parts))])
