"""The output of frozen layers in place of images, of several views of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.data.sources import Batch, MemorySource, Source


class FeatureSource(MemorySource):
    """Features of several views of each image, which epochs take in turn.

    Args:
        features: floating-point ``(views * images, width)``, all images of a view after those of the view before.
        labels: int64 ``(views * images,)``.
        views: of each image.
        original: the source of the images as they are.
    """

    def __init__(self, features: Tensor, labels: Tensor, views: int, original: Source) -> None:
        super().__init__(features, labels[: len(labels) // views])
        self.views, self.original = views, original

    def fetch(self, index_batches: Sequence[Tensor], choices: Sequence[Tensor] | None = None) -> Iterator[Batch]:
        """Yield a batch for each tensor of indices, of the views that ``choices``, int64 ``(batch, 1)``, names."""
        drawn = [torch.zeros(len(indices), 1, dtype=torch.int64) for indices in index_batches]
        for indices, view in zip(index_batches, choices or drawn, strict=True):
            yield self.images[view[:, 0] * len(self) + indices], self.labels[indices]
