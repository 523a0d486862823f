"""Shares: the positions of an epoch that each process serves, batch by batch.

    positions   0 1 2 3 4 5 | 6 7 8 9 10 11 | 12 13 14      6 images in a batch of all processes
    process 0   0   2   4   | 6   8   10    | 12    14      those of two processes together
    process 1     1   3   5 |   7   9    11 |    13         are the batch of one

So a step sees the same images however many processes share it, and a training that is stopped goes on at the same image
with another number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shares:
    """The shares of one process.

    In training, a last batch of one image is left out, from which batch normalisation cannot learn. Where a batch has
    fewer than two images for each process, fewer processes share it; the others repeat images, which do not count.

    Args:
        count: images of the epoch.
        batch: images in a batch of all processes.
        rank: number of this process.
        world_size: number of processes.
        training: else every image is served once, and a process without a share of the last batch has one batch less.
    """

    count: int
    batch: int
    rank: int = 0
    world_size: int = 1
    training: bool = True

    def __len__(self) -> int:
        """Return the number of batches that this process serves."""
        batches = -(-self.count // self.batch)
        last = self.count - self.batch * (batches - 1)
        if self.training:
            return batches - (batches > 1 and last == 1)
        return max(1, batches - (last <= self.rank))

    def first(self, position: int) -> int:
        """Return the number of the batch in which a position is."""
        return position // self.batch

    def end(self, number: int) -> int:
        """Return the position after the last of a batch of all processes."""
        return min((number + 1) * self.batch, self.count)

    def positions(self, number: int, start: int = 0) -> Tensor:
        """Return this process's positions in a batch, int64 ``(images,)``; in training at least one.

        Args:
            number: of the batch, from 0.
            start: positions before it are served already.
        """
        start, end = max(number * self.batch, start), self.end(number)
        if not self.training:
            return torch.arange(start + self.rank, max(end, start + self.rank), self.world_size)
        sharing = self._sharing(end - start)
        return torch.arange(start + self.rank % sharing, end, sharing)

    def batches(self, start: int = 0) -> Sequence[Tensor]:
        """Return the positions of each batch from the one on that holds the position ``start``."""
        return [self.positions(number, start) for number in range(self.first(start), len(self))]

    def images(self, number: int, start: int = 0) -> tuple[int, int]:
        """Return how many images of a training batch count in this process, and in all; arguments as ``positions``."""
        total = self.end(number) - max(number * self.batch, start)
        own = len(self.positions(number, start)) if self.rank < self._sharing(total) else 0
        return own, total

    def _sharing(self, images: int) -> int:
        """Return how many processes share a batch: each has two images at least, where there are two."""
        return min(self.world_size, max(1, images // 2))
