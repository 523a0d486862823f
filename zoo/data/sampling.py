"""The order of an epoch, and what balances classes of unequal size: weights of the loss, or the order itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from zoo.core.errors import UserError
from zoo.data.item_reader import BAD


def balanced_weights(labels: Tensor, classes: Sequence[str]) -> list[float]:
    """Return a weight for each class: ``images / (classes * images of the class)``, scikit-learn's ``balanced``.

    Args:
        labels: int64 ``(count,)``; BAD labels do not count.
        classes: names, in order.

    Raises:
        UserError: a class has no image.
    """
    counts = torch.bincount(labels[labels != BAD], minlength=len(classes)).double()
    if not counts.all():
        name = classes[int(counts.argmin())]
        raise UserError(f"model.class_weights is balanced, but class '{name}' has no training image; give numbers")
    weights: list[float] = (counts.sum() / (len(classes) * counts)).tolist()
    return weights


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an epoch's order, int64 ``(count,)``, that has equally many images of each class, up to one.

    The images of a small class repeat, but none repeats before all others of the class have come as often. Of a large
    class each epoch draws other images.

    Args:
        labels: int64 ``(count,)``; BAD labels and classes without an image are left out.
        generator: decides the order.
    """
    count = len(labels)
    classes = torch.bincount(labels[labels != BAD]).nonzero().flatten()
    shares = torch.full((len(classes),), count // len(classes))
    shares[torch.randperm(len(classes), generator=generator)[: count % len(classes)]] += 1
    chosen = []
    for label, share in zip(classes, shares.tolist(), strict=True):
        images = (labels == label).nonzero().flatten()
        rounds = -(-share // len(images))
        drawn = [images[torch.randperm(len(images), generator=generator)] for _ in range(rounds)]
        chosen.append(torch.cat(drawn)[:share] if drawn else images[:0])
    return torch.cat(chosen)[torch.randperm(count, generator=generator)]


class EpochSampler:
    """Draws the order of an epoch, which (seed, epoch) alone decide.

    Lightning finds it as the loader's ``sampler`` and calls ``set_epoch`` before each epoch.

    Args:
        count: images in the split.
        shuffle: whether each epoch has a new order; otherwise it is 0, 1, 2, ...
        seed: of the run.
        balance: int64 ``(count,)``, the labels by which a shuffled epoch is balanced; None serves every image once.
    """

    def __init__(self, count: int, shuffle: bool, seed: int, balance: Tensor | None = None) -> None:
        self.count, self.shuffle, self.seed, self.epoch, self.balance = count, shuffle, seed, 0, balance

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch (0, 1, ...) that comes next."""
        self.epoch = epoch

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the epoch's order, int64 ``(count,)``, drawn from ``generator``."""
        if not self.shuffle:
            return torch.arange(self.count)
        if self.balance is not None:
            return balanced_order(self.balance, generator)
        return torch.randperm(self.count, generator=generator)

    def generator(self) -> torch.Generator:
        """Return a generator seeded by (seed, epoch)."""
        return _generator(self.seed, self.epoch)

    def generator_of_run(self) -> torch.Generator:
        """Return a generator seeded by the seed alone: the same in every epoch."""
        return _generator(self.seed)


def _generator(*seeds: int) -> torch.Generator:
    mixed = np.random.SeedSequence(seeds).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed[0]) >> 1)
