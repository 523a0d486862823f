"""Loader: the batches of a split; (seed, epoch) alone decide their order and augmentation.

    (seed, epoch) ──► order: position ──► index         source: indices ──► uint8 images, labels
                 └──► choices: position ──► steps of images, crop, flip ────► augmented batch

A position is a place in the epoch's order over all processes. Process ``rank`` of ``world_size`` serves positions
``rank``, ``rank + world_size``, ...; together the processes serve what one would.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from zoo.core.errors import ImageError
from zoo.data.augmentation import Augmentation
from zoo.data.feature_source import FeatureSource
from zoo.data.item_reader import BAD
from zoo.data.sampling import EpochSampler
from zoo.data.sources import Batch, Source


class Loader:
    """An iterable over the batches of an epoch.

    The last batch may be shorter. Training leaves out a last batch of one image, from which batch normalisation
    cannot learn.

    Args:
        source: where the images come from.
        batch_size: images in a batch of one process.
        augmentation: of the images; None serves them as they are.
        shuffle: whether each epoch has a new order.
        seed: of the run.
        balance: as in EpochSampler.
        rank: number of this process.
        world_size: number of processes.

    Attributes:
        skipped: positions of the pass that is running whose images are damaged and left out.
    """

    #: Lightning looks for both samplers of a DataLoader; this loader has only ``sampler``.
    batch_sampler = None

    def __init__(
        self,
        source: Source,
        batch_size: int,
        *,
        augmentation: Augmentation | None = None,
        shuffle: bool = False,
        seed: int = 0,
        balance: Tensor | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.source, self.batch_size, self.augmentation = source, batch_size, augmentation
        self.sampler = EpochSampler(len(source), shuffle, seed, balance)
        self.rank, self.world_size = rank, world_size
        self.skipped: set[int] = set()
        self._served = 0
        self._resume: dict[str, int] | None = None

    def __len__(self) -> int:
        """Return the number of batches this process serves in an epoch."""
        return len(self._position_batches)

    def __iter__(self) -> Iterator[Batch]:
        """Yield ``(images, labels)``: uint8 ``(batch, height, width, channels)``, int64 ``(batch,)``.

        Nothing is read before the first batch is asked for, and ``set_epoch`` may be called until then.

        Raises:
            ImageError: an image cannot be read, or with skip_bad no image of a batch can.
        """
        self._served, self.skipped = self._first_batch(), set()
        order, choices = self._draw()
        groups = self._grouped(self._position_batches[self._served :])
        drawn = self._of_steps(choices, groups)
        fetched = self.source.fetch([order[torch.cat(group)] for group in groups], drawn)
        for group, (images, labels) in zip(groups, fetched, strict=True):
            if self.augmentation is not None and choices is not None:
                images = self.augmentation.apply(images, choices[torch.cat(group)])
            sizes, damaged = [len(positions) for positions in group], bool((labels == BAD).any())
            batches = zip(torch.split(images, sizes), torch.split(labels, sizes), strict=True)
            for positions, batch in zip(group, batches, strict=True):
                self._served += 1
                if damaged:
                    self.skipped.update(positions[batch[1] == BAD].tolist())
                yield _without_bad(*batch) if damaged else batch

    def _of_steps(self, choices: Tensor | None, groups: list[list[Tensor]]) -> list[Tensor] | None:
        """Return what the source needs for the steps of single images, or which views; None where it needs nothing."""
        if choices is None or (self.augmentation is not None and not self.augmentation.steps):
            return None
        return [choices[torch.cat(group)] for group in groups]

    def _grouped(self, batches: list[Tensor]) -> list[list[Tensor]]:
        """Return the batches of positions in groups; the source fetches a group at once."""
        count = max(1, self.source.at_once // self.batch_size)
        return [batches[first : first + count] for first in range(0, len(batches), count)]

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, and how many of its batches were served."""
        return {"epoch": self.sampler.epoch, "served": self._served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next pass over that epoch begin after the batches that were served."""
        self._resume = dict(state)

    def _first_batch(self) -> int:
        resume, self._resume = self._resume, None
        if resume is None or resume["epoch"] != self.sampler.epoch or resume["served"] >= len(self):
            return 0
        return resume["served"]

    def _draw(self) -> tuple[Tensor, Tensor | None]:
        """Return the epoch's order, int64 ``(count,)``, and what its augmentation draws, both by position."""
        sampler, generator = self.sampler, self.sampler.generator()
        order = sampler.draw(generator)
        if isinstance(self.source, FeatureSource):
            return order, torch.full((len(order), 1), sampler.epoch % self.source.views)
        if self.augmentation is None:
            return order, None
        of_run = sampler.generator_of_run()
        return order, self.augmentation.draw(order, sampler.epoch, self.source.size, of_run, generator)

    @cached_property
    def _position_batches(self) -> list[Tensor]:
        """Return this process's positions, batch by batch."""
        count = len(self.source)
        if self.sampler.shuffle:  # training: all processes take the same number of steps
            count -= count % self.world_size
        batches = list(torch.split(torch.arange(self.rank, count, self.world_size), self.batch_size))
        if self.sampler.shuffle and len(batches) > 1 and len(batches[-1]) == 1:
            batches.pop()
        return batches


def _without_bad(images: Tensor, labels: Tensor) -> Batch:
    good = labels != BAD
    if not good.any():
        raise ImageError(f"all {len(labels)} images of a batch are damaged; repair the data or enlarge data.batch_size")
    return images[good], labels[good]
