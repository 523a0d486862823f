"""Views: what training makes of each image in the first epochs, for a picture or for frozen layers that run once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
import torch
from torch import Tensor

from zoo.data.augmentation import Augmentation
from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.item_reader import BAD
from zoo.data.sampling import EpochSampler
from zoo.data.sources import Batch, Source


class ViewSource:
    """Several views of each image, one after another: item ``view * images + index``.

    Args:
        source: of single images; it takes the augmentation's steps.
        augmentation: of the images.
        choices: int64 ``(views, images, 4)``, what ``draw_views`` returns.
    """

    #: Images that are best fetched at once.
    at_once = 1
    sound = False

    def __init__(self, source: Source, augmentation: Augmentation, choices: Tensor) -> None:
        self.source, self.augmentation, self.choices = source, augmentation, choices.flatten(0, 1)
        self.size, self.rows = source.size, torch.arange(len(self.choices))

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, index_batches: Sequence[Tensor], choices: Sequence[Tensor] | None = None) -> Iterator[Batch]:
        """Yield a batch for each tensor of indices; what the augmentation draws is fixed."""
        rows = [self.rows[indices] for indices in index_batches]
        drawn = [self.choices[chosen] for chosen in rows]
        batches = self.source.fetch([chosen % len(self.source) for chosen in rows], drawn)
        for (images, labels), batch in zip(batches, drawn, strict=True):
            yield self.augmentation.apply(images, batch), labels

    def subset(self, indices: np.ndarray) -> ViewSource:
        """Return a source of some of the views."""
        source = copy(self)
        source.rows = self.rows[torch.from_numpy(indices)]
        return source


def view_source(data: ImageData, split: Split, views: int) -> ViewSource:
    """Return views of a split's images, view ``v`` drawn as epoch ``v``; errors as ``ImageData.augmented_source``."""
    source, augmentation = data.augmented_source(split)
    return ViewSource(source, augmentation, draw_views(augmentation, source, views, data.seed))


def draw_views(augmentation: Augmentation, source: Source, views: int, seed: int) -> Tensor:
    """Return what the augmentation draws for each view of each image, int64 ``(views, images, 4)``."""
    order, sampler, drawn = torch.arange(len(source)), EpochSampler(len(source), False, seed), []
    for view in range(views):
        sampler.set_epoch(view)
        generators = sampler.generator_of_run(), sampler.generator()
        drawn.append(augmentation.draw(order, view, source.size, *generators))
    return torch.stack(drawn)


def augmented_views(data: ImageData, split: Split, count: int, views: int) -> tuple[Tensor, Tensor]:
    """Return images of a split, and views of each.

    Args:
        data: opened with its augmentation.
        split: train, val or test; damaged images are left out.
        count: at most so many images, evenly spaced.
        views: of each image.

    Returns:
        uint8 ``(count, height, width, channels)`` and ``(count, views, height, width, channels)``.
    """
    source = data.source(split)
    indices = torch.linspace(0, len(source) - 1, min(count, len(source)), dtype=torch.float64).long()
    [(images, labels)] = source.fetch([indices])
    indices, images = indices[labels != BAD], images[labels != BAD]
    rows = [indices + view * len(source) for view in range(views)]
    results = [pixels for pixels, _ in view_source(data, split, views).fetch(rows)]
    return images, torch.stack(results, dim=1)
