"""What a data set says of itself, or shows in its images: labels, channels, size, mean and standard deviation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.data.sources import BAD, MemorySource, Source, as_tensor

#: Images of each class that ``summarise`` returns at most, and classes of which it does.
SAMPLES = 8
MAX_CLASSES = 100

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


def labels(dataset: Any, source: Source | None = None) -> np.ndarray:
    """Return int64 ``(count,)`` labels, from the data set's own list if it has one, else from source or items."""
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


@dataclass(frozen=True)
class Summary:
    """What a data set holds.

    Args:
        classes: class names in the order of the labels.
        counts: for each split the data set has, the images of each class.
        shapes: of the samples, ``28x28x1`` or ``112x150x3 to 500x333x3``.
        samples: for each class up to SAMPLES training images, evenly spaced, uint8 ``(height, width, channels)``, made
            smaller by ``shrink``.
    """

    classes: list[str]
    counts: dict[str, list[int]]
    shapes: str
    samples: list[list[np.ndarray]]


def summarise(name: str, root: Path, shrink: Callable[[np.ndarray], np.ndarray]) -> Summary:
    """Count a data set's images and take some of each class.

    Args:
        name: registered name of the data set.
        root: the data root.
        shrink: makes a large image smaller.

    Raises:
        UserError: the name is unknown, the data set cannot be opened, or it has over MAX_CLASSES classes.
        DownloadError: files are missing and cannot be downloaded.
        ImageError: one of the samples is damaged.
    """
    found = {"train": registry.call("dataset", name, (root, "train"), {})}
    for split in ("val", "test"):
        try:
            found[split] = registry.call("dataset", name, (root, split), {})
        except NoSplitError:
            continue
    train = found["train"]
    classes = [str(word) for word in train.classes]
    if len(classes) > MAX_CLASSES:
        raise UserError(f"samples are drawn of at most {MAX_CLASSES} classes; '{name}' has {len(classes)}")
    known = {split: labels(dataset) for split, dataset in found.items()}
    counts = {split: np.bincount(values, minlength=len(classes)).tolist() for split, values in known.items()}
    depth, train_labels = channels(train), known["train"]
    samples: list[list[np.ndarray]] = []
    shapes: set[tuple[int, ...]] = set()
    for label in range(len(classes)):
        own = np.flatnonzero(train_labels == label)
        chosen = np.unique(own[np.linspace(0, len(own) - 1, SAMPLES).astype(int)]) if len(own) else own
        samples.append([])
        for index in chosen:
            image = as_tensor(train[int(index)][0], depth).numpy()
            shapes.add(image.shape)
            samples[-1].append(shrink(image))
    ordered = sorted(shapes, key=np.prod)
    texts = ["x".join(map(str, shape)) for shape in (ordered[0], ordered[-1])]
    return Summary(classes, counts, texts[0] if len(shapes) == 1 else " to ".join(texts), samples)
