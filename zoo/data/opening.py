"""Open a data set as a source: one array in memory, or files that worker processes read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from zoo.core.spec import InputSpec
from zoo.data.contract import Place
from zoo.data.sources import MemorySource, Source, StreamSource


def open_source(
    dataset: Any,
    spec: InputSpec,
    *,
    memory_bytes: float,
    workers: int,
    skip_bad: bool,
    other_splits: Callable[[], Sequence[tuple[Any, Place]]] = tuple,
    place: Place | None = None,
) -> Source:
    """Return a source of a whole data set: in memory if it is one array, or fits in ``memory_bytes`` at spec's size.

    Args:
        dataset: as ``zoo.data.contract`` says.
        spec: size and channels that the images are brought to.
        memory_bytes: limit above which data streams; arrays do not count, they are in memory already.
        workers: as in StreamSource.
        skip_bad: as in StreamSource.
        other_splits: as in StreamSource.
        place: as in StreamSource.

    Raises:
        ImageError: an image is damaged, and skip_bad is off; data that streams is not read yet.
    """
    images, labels = getattr(dataset, "images", None), getattr(dataset, "labels", None)
    if isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4 and labels is not None:
        # torch warns about read-only arrays (those of MNIST's files), though nothing writes to them here.
        pixels = torch.from_numpy(images if images.flags.writeable else images.copy())
        if pixels.shape[3] == 1 and spec.channels == 3:
            pixels = pixels.expand(-1, -1, -1, 3)
        if pixels.shape[3] == spec.channels:
            return MemorySource(pixels, torch.from_numpy(np.array(labels, np.int64)))
    stream = StreamSource(dataset, spec, workers=workers, skip_bad=skip_bad, other_splits=other_splits, place=place)
    fits = len(dataset) * spec.height * spec.width * spec.channels <= memory_bytes
    return stream.read_all() if fits else stream
