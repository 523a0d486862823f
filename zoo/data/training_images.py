"""What the training images look like: a file that knows it can tell that a picture is far from all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from zoo.core.errors import ImageError
from zoo.data.image_data import ImageData
from zoo.data.item_reader import BAD
from zoo.images.files import image_size, upright_size
from zoo.images.preprocess import geometry
from zoo.runtime import measure_filled

#: So many evenly spaced images are looked at.
SAMPLE = 500

#: Percentiles that bound a range: a few odd images, all black or all white, do not widen it.
LOW, HIGH = 1, 99

#: Height and width of an image that cannot be read.
UNKNOWN = (0, 0)


def describe_training_images(data: ImageData) -> dict[str, list[float]]:
    """Return the ranges of the training images: ``{"brightness": [low, high], "contrast": ..., ...}``.

    Args:
        data: the data; its training split serves images.

    Returns:
        The percentiles LOW and HIGH of the quantities of ``zoo.runtime.measure_filled``, of images as the network sees
        them, and of ``width`` and ``height`` in pixels as they are stored, but upright, if the data set says them
        without reading every image, or its images are shown with bars beside them.

    Raises:
        ImageError: an image is damaged, and skip_bad is off.
    """
    source, shape = data.source("train"), geometry(data.spec)
    indices = torch.linspace(0, len(source) - 1, min(SAMPLE, len(source)), dtype=torch.float64).long()
    sizes = _sizes(data, indices.tolist())
    batches = torch.split(torch.arange(len(indices)), 32)
    parts: dict[str, list[np.ndarray]] = {}
    for places, (images, labels) in zip(batches, source.fetch([indices[places] for places in batches]), strict=True):
        good = (labels != BAD).numpy()
        pictured = [sizes[place] for place in places[good].tolist()] if sizes else []
        for name, values in measure_filled(shape, images.numpy()[good], pictured).items():
            parts.setdefault(name, []).append(values)
    ranges = {name: np.percentile(np.concatenate(values), [LOW, HIGH]) for name, values in parts.items()}
    if legible := [size for size in sizes if size != UNKNOWN]:
        heights, widths = np.percentile(np.array(legible), [LOW, HIGH], axis=0).T
        ranges |= {"width": widths, "height": heights}
    return {name: [round(float(value), 4) for value in range_] for name, range_ in ranges.items()}


def _sizes(data: ImageData, indices: list[int]) -> list[tuple[int, int]]:
    """Return height and width of training images, UNKNOWN of damaged ones; none where it takes too long."""
    paths, (dataset, items) = data.paths("train"), data.splits.items("train")
    if paths is not None:
        return [_size_of_file(paths[index], data.spec.channels) for index in indices]
    images: Any = getattr(dataset, "images", None)
    if images is not None:
        return [tuple(images.shape[1:3])] * len(indices)
    if data.spec.resize.fit != "letterbox":
        return []
    return [_size_of_item(dataset, index if items is None else int(items[index])) for index in indices]


def _size_of_file(path: str, channels: int) -> tuple[int, int]:
    try:
        return image_size(path, channels)
    except ImageError:  # reading the pixels has named it
        return UNKNOWN


def _size_of_item(dataset: Any, item: int) -> tuple[int, int]:
    try:
        image = dataset[item][0]
    except ImageError:
        return UNKNOWN
    return upright_size(image) if hasattr(image, "getbands") else tuple(image.shape[:2])
