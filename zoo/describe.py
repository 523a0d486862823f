"""What a data set says of itself, or shows in its images: labels, channels, size, mean and standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from zoo.sources import BAD, MemorySource, Source

#: Images that mean and standard deviation are computed from where the data does not fit in memory.
STATISTICS_SAMPLE = 2_000


def statistics(source: Source) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the pixels per channel, on the scale [0, 1].

    All images of a source in memory count, STATISTICS_SAMPLE evenly spaced ones of one that streams. A channel that
    never varies gets the standard deviation of one level, 1/255.
    """
    count = len(source)
    if not isinstance(source, MemorySource):
        count = min(count, STATISTICS_SAMPLE)
    indices = torch.linspace(0, len(source) - 1, count, dtype=torch.float64).long()
    counts = torch.zeros(0)
    for images, labels in source.fetch(torch.split(indices, 1024)):
        channels = images[labels != BAD].flatten(0, 2).T
        levels = torch.stack([torch.bincount(channel, minlength=256) for channel in channels]).double()
        counts = levels if len(counts) == 0 else counts + levels
    levels = torch.arange(256, dtype=torch.float64) / 255
    share = counts / counts.sum(dim=1, keepdim=True)
    mean = share @ levels
    std = (share @ levels.square() - mean.square()).clamp(min=0).sqrt().clamp(min=1 / 255)
    return tuple(mean.tolist()), tuple(std.tolist())


def labels(dataset: Any, source: Source) -> np.ndarray:
    """Return int64 ``(count,)`` labels, from the data set's own list if it has one, else from the items."""
    known = getattr(dataset, "labels", None)
    if known is None:
        known = source.labels if isinstance(source, MemorySource) else [dataset[i][1] for i in range(len(dataset))]
    return np.asarray(known, np.int64)


def channels(dataset: Any) -> int:
    """Return 1 or 3: the data set's ``channels`` if it has them, else those of its first image."""
    if (channels := getattr(dataset, "channels", None)) is not None:
        return int(channels)
    image = dataset[0][0]
    if hasattr(image, "getbands"):
        return 1 if image.mode in ("1", "L") or image.mode.startswith("I") else 3
    return 1 if image.ndim == 2 else int(image.shape[2])


def natural_size(dataset: Any) -> tuple[int, int]:
    """Return ``(height, width)``: the data set's ``image_size`` if it has one, else the size of its first image."""
    if (size := getattr(dataset, "image_size", None)) is not None:
        return size[0], size[1]
    image = dataset[0][0]
    return (image.height, image.width) if hasattr(image, "getbands") else (image.shape[0], image.shape[1])
