"""A data set in memory, as one array: MNIST, CIFAR, digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ArrayDataset:
    """Images of one size as one array, which ImageDataModule serves in whole batches.

    Args:
        images: uint8 ``(count, height, width, channels)``.
        labels: int64 ``(count,)``, indices into ``classes``.
        classes: class names, in the order of the labels.
        mean: mean of the training pixels per channel, on the scale [0, 1]; None has it computed.
        std: their standard deviation, likewise.
        augmentation: the default of training, as ``--data.augmentation`` takes it.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: Sequence[str]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    augmentation: str = "none"

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or len(self.images) != len(self.labels):
            raise ValueError(
                f"an ArrayDataset has images (count, height, width, channels) and labels (count,), received "
                f"{self.images.shape} and {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        """Return ``(image, label)``: uint8 ``(height, width, channels)`` and a class index."""
        return self.images[index], int(self.labels[index])
