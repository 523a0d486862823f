"""Loader: the batches of a split; (seed, epoch) alone decide their order and augmentation.

    (seed, epoch) ──► order: position ──► index         source: indices ──► uint8 images, labels
                 └──► choices: position ──► steps of images, crop, flip ────► augmented batch

A position is a place in the epoch's order over all processes, which zoo.data.shares divides among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.core.errors import ImageError, UserError
from zoo.data.augmentation import Augmentation
from zoo.data.feature_source import FeatureSource
from zoo.data.item_reader import BAD
from zoo.data.sampling import EpochSampler
from zoo.data.shares import Shares
from zoo.data.sources import Batch, Source


class Loader:
    """An iterable over the batches of an epoch.

    The last batch may be shorter; Shares says what each process serves.

    Args:
        source: where the images come from.
        batch_size: images in a batch of one process.
        global_batch: images in a batch of all processes together; None for batch_size in each.
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
        global_batch: int | None = None,
    ) -> None:
        self.global_batch = global_batch or batch_size * world_size
        self.source, self.batch_size, self.augmentation = source, -(-self.global_batch // world_size), augmentation
        self.sampler = EpochSampler(len(source), shuffle, seed, balance)
        self.rank, self.world_size = rank, world_size
        self.shares = Shares(len(source), self.global_batch, rank, world_size, training=shuffle)
        self.skipped: set[int] = set()
        #: Positions, of all processes, that were served in this epoch, and where the pass over it began.
        self._served = self._begin = 0
        self._resume: dict[str, int] | None = None

    def __len__(self) -> int:
        """Return the number of batches this process serves in an epoch."""
        return len(self.shares)

    def __iter__(self) -> Iterator[Batch]:
        """Yield ``(images, labels)``: uint8 ``(batch, height, width, channels)``, int64 ``(batch,)``.

        Nothing is read before the first batch is asked for, and ``set_epoch`` may be called until then.

        Raises:
            ImageError: an image cannot be read, or with skip_bad no image of a batch can.
        """
        self._served, self.skipped = self._first_position(), set()
        self._begin = self._served
        order, choices = self._draw()
        number = self.shares.first(self._begin)
        groups = self._grouped(self.shares.batches(self._begin))
        drawn = self._of_steps(choices, groups)
        fetched = self.source.fetch([order[torch.cat(group)] for group in groups], drawn)
        for group, (images, labels) in zip(groups, fetched, strict=True):
            if self.augmentation is not None and choices is not None:
                images = self.augmentation.apply(images, choices[torch.cat(group)])
            sizes = [len(positions) for positions in group]
            damaged = not self.source.sound and bool((labels == BAD).any())
            batches = zip(torch.split(images, sizes), torch.split(labels, sizes), strict=True)
            for positions, batch in zip(group, batches, strict=True):
                self._served, number = self.shares.end(number), number + 1
                if damaged:
                    self.skipped.update(positions[batch[1] == BAD].tolist())
                yield _without_bad(*batch) if damaged else batch

    def _of_steps(self, choices: Tensor | None, groups: list[list[Tensor]]) -> list[Tensor] | None:
        """Return what the source needs for the steps of single images, or which views; None where it needs nothing."""
        if choices is None or (self.augmentation is not None and not self.augmentation.steps):
            return None
        return [choices[torch.cat(group)] for group in groups]

    def images(self, number: int) -> tuple[int, int]:
        """Return how many images of a training batch, by its number in the epoch, count in this process, and in all."""
        return self.shares.images(number, self._begin)

    def _grouped(self, batches: Sequence[Tensor]) -> list[list[Tensor]]:
        """Return the batches of positions in groups; the source fetches a group at once."""
        count = max(1, self.source.at_once // self.batch_size)
        return [list(batches[first : first + count]) for first in range(0, len(batches), count)]

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, the positions of all processes that were served, and how many of them make a batch."""
        position, batch = self._served, self.global_batch
        return {"epoch": self.sampler.epoch, "served": -(-position // batch), "position": position, "batch": batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next pass over that epoch begin after what was served, whatever the number of processes."""
        self._resume = dict(state)
        # A checkpoint may be saved before the next batch: after a validation that was due.
        self._served = state.get("position", state["served"] * self.global_batch)  # older checkpoints count batches

    def _first_position(self) -> int:
        resume, self._resume = self._resume, None
        if resume is None or resume["epoch"] != self.sampler.epoch:
            return 0
        position = resume.get("position", resume["served"] * self.global_batch)
        return 0 if position >= self.shares.end(len(self) - 1) else position

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


def _without_bad(images: Tensor, labels: Tensor) -> Batch:
    good = labels != BAD
    if not good.any():
        raise ImageError(f"all {len(labels)} images of a batch are damaged; repair the data or enlarge data.batch_size")
    return images[good], labels[good]


def require_images(dataset: str, count: int, batch_size: int, global_batch: int | None) -> None:
    """Refuse, by a UserError, a training split that has fewer images than a batch.

    Args:
        dataset: its name.
        count: images of the split.
        batch_size: images in a batch of one process.
        global_batch: images in a batch of all processes, in place of batch_size.
    """
    option, size = ("batch_size", batch_size) if global_batch is None else ("global_batch", global_batch)
    if size > count:
        raise UserError(
            f"data.{option} is {size} but '{dataset}' has {count} training images; allowed is at most {count}"
        )
