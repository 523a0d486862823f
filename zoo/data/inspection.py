"""Labels, channels, size, mean and standard deviation of a data set: by its attributes, else from its images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo.core.errors import ImageError, UserError
from zoo.core.spec import WHITE_LEVELS, InputSpec, Resize
from zoo.data.contract import Place, read_item, require_attributes
from zoo.data.input_options import InputOptions
from zoo.data.item_reader import BAD
from zoo.data.sources import MemorySource, Source
from zoo.images.white_level import highest_of_item, white_level_of_files
from zoo.images.white_level import white_level as of_levels

if TYPE_CHECKING:
    from zoo.data.splits import DatasetSplits

#: Mean and standard deviation of data that streams are computed from so many images.
STATISTICS_SAMPLE = 2_000


def statistics(source: Source) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the pixels per channel, on the scale [0, 1].

    They are those of all images where the source is in memory, else of STATISTICS_SAMPLE evenly spaced images. A
    constant channel gets the standard deviation of one level, 1/255.
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


def labels(dataset: Any, place: Place, source: Source | None = None) -> np.ndarray:
    """Return int64 ``(count,)``: the data set's ``labels`` if it has them, else those of its source or its items."""
    values = getattr(dataset, "labels", None)
    if values is None and isinstance(source, MemorySource):
        values = source.labels
    if values is None:
        values = [read_item(dataset, index, place)[1] for index in range(len(dataset))]
    return np.asarray(values, np.int64)


def channels(dataset: Any, place: Place) -> int:
    """Return the data set's ``channels`` if it has them, else those of its first image: 1, 3, or those of an array."""
    if (channels := getattr(dataset, "channels", None)) is not None:
        return int(channels)
    image, _ = read_item(dataset, 0, place)
    if hasattr(image, "getbands"):
        return 1 if image.mode in ("1", "L") or image.mode.startswith("I") else 3
    return 1 if image.ndim == 2 else int(image.shape[2])


def natural_size(dataset: Any, place: Place) -> tuple[int, int]:
    """Return ``(height, width)``: the data set's ``image_size`` if it has one, else the size of its first image."""
    if (size := getattr(dataset, "image_size", None)) is not None:
        return size[0], size[1]
    image, _ = read_item(dataset, 0, place)
    return (image.height, image.width) if hasattr(image, "getbands") else (image.shape[0], image.shape[1])


def geometry(splits: DatasetSplits, wanted: InputOptions, like: InputSpec | None, workers: int = 1) -> InputSpec:
    """Return the spec of a training split, with mean 0 and standard deviation 1, because the real ones need pixels.

    Args:
        splits: of the data set; they then require its classes.
        wanted: what is asked for, in place of what ``like`` or else the data set has.
        like: what pretrained weights were trained for; None takes everything from the data set.
        workers: threads that read files for the white level.

    Raises:
        UserError: the weights are for images of other channels.
    """
    name, dataset = splits.name, splits.opened("train")
    place = splits.place(dataset)
    require_attributes(name, place.split, dataset)
    own_channels = wanted.channels or channels(dataset, place)
    if like is not None and own_channels not in (1, like.channels):
        if like.channels == 1 and own_channels == 3:
            raise UserError(f"the weights are for grey images, '{name}' is in colour; use other weights")
        raise UserError(
            f"the weights are for images of {like.channels} channel(s), those of '{name}' have {own_channels} "
            "(data.channels); use other weights"
        )
    depth, resize = (own_channels, Resize()) if like is None else (like.channels, like.resize)
    if wanted.fit is not None:
        resize = resize.refit(wanted.fit)
    natural = natural_size(dataset, place) if like is None else (like.height, like.width)
    height, width = wanted.size or natural
    splits.classes = tuple(map(str, dataset.classes))
    white = white_level(dataset, place, depth, workers, lambda: splits.items("train")[1])
    return InputSpec(splits.classes, depth, height, width, (0.0,) * depth, (1.0,) * depth, resize, white)


def white_level(dataset: Any, place: Place, depth: int, workers: int, trained: Callable[[], np.ndarray | None]) -> int:
    """Return the white level of a training split: the smallest that holds every pixel of 16 bits, else 65535.

    All items of a data set that is no plain files are read for it where the first has 16 bits.

    Args:
        dataset: the training split.
        place: of its items.
        depth: channels that images are read with.
        workers: threads that read files.
        trained: returns the items from which no other split is drawn, None for all; it is asked of files whose labels
            are listed, because of others a split is drawn only when they are read.
    """
    if hasattr(dataset, "white_level") and hasattr(dataset, "path"):
        items = trained() if hasattr(dataset, "labels") else None
        chosen = range(len(dataset)) if items is None else items.tolist()
        return white_level_of_files([str(dataset.path(index)) for index in chosen], depth, workers)
    if getattr(getattr(dataset, "images", None), "dtype", None) == np.uint8:
        return WHITE_LEVELS[-1]
    try:
        if highest_of_item(read_item(dataset, 0, place)[0]) is None:
            return WHITE_LEVELS[-1]
        return of_levels(highest_of_item(read_item(dataset, index, place)[0]) for index in range(len(dataset)))
    except ImageError:  # whoever reads the image names the fault
        return WHITE_LEVELS[-1]
