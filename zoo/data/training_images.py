"""What the training images look like: a file that knows it can tell that a picture is far from all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from zoo.core.errors import ImageError
from zoo.data.image_data import ImageData
from zoo.data.sources import BAD
from zoo.images.files import image_size
from zoo.runtime import measure

#: So many evenly spaced images are looked at.
SAMPLE = 500

#: Percentiles that bound a range: a few odd images, all black or all white, do not widen it.
LOW, HIGH = 1, 99


def describe_training_images(data: ImageData) -> dict[str, list[float]]:
    """Return the ranges of the training images: ``{"brightness": [low, high], "contrast": ..., ...}``.

    Args:
        data: the data; its training split serves images.

    Returns:
        The percentiles LOW and HIGH of the quantities of ``zoo.runtime.measure``, of images as the network sees them,
        and of ``width`` and ``height`` in pixels as they are stored, if the data set says them without reading every
        image.

    Raises:
        ImageError: an image is damaged, and skip_bad is off.
    """
    source = data.source("train")
    indices = torch.linspace(0, len(source) - 1, min(SAMPLE, len(source)), dtype=torch.float64).long()
    parts: dict[str, list[np.ndarray]] = {}
    for images, labels in source.fetch(torch.split(indices, 32)):
        if len(good := images[labels != BAD]):
            for name, values in measure(good.numpy()).items():
                parts.setdefault(name, []).append(values)
    ranges = {name: np.percentile(np.concatenate(values), [LOW, HIGH]) for name, values in parts.items()}
    if sizes := _sizes(data, indices.tolist()):
        heights, widths = np.percentile(np.array(sizes), [LOW, HIGH], axis=0).T
        ranges |= {"width": widths, "height": heights}
    return {name: [round(float(value), 4) for value in range_] for name, range_ in ranges.items()}


def _sizes(data: ImageData, indices: list[int]) -> list[tuple[int, int]]:
    """Return height and width of training images as they are stored; none where that would read the images."""
    paths = data.paths("train")
    if paths is None:
        images: Any = getattr(data.opened("train"), "images", None)
        return [] if images is None else [tuple(images.shape[1:3])]
    sizes = []
    for index in indices:
        try:
            sizes.append(image_size(paths[index], data.spec.channels))
        except ImageError:  # reading the pixels has named it
            continue
    return sizes
