"""Reads one image of a data set, as a worker process does: brought to one size, or augmented."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.core.blame import unforeseen
from zoo.core.errors import ImageError, RunError, ZooError
from zoo.core.foreign import is_from_outside
from zoo.core.registry import titled
from zoo.core.spec import InputSpec
from zoo.data.augmentation import Augmentation
from zoo.data.contract import Place, as_tensor, read_item
from zoo.data.pixel_cache import PixelCache
from zoo.images.files import to_mode
from zoo.images.preprocess import to_uint8

#: Label of an image that could not be read and is left out of its batch (``--data.skip_bad``).
BAD = -1

#: An image that is cut at random is read at so many times the network's size or more, where it is that large.
WHOLE = 2

#: An image's place in the split, or that and what its augmentation draws for it.
Key = int | tuple[int, Sequence[int]]


class ItemReader:
    """The map-style data set of a worker: images of one size; a damaged image comes with the text of its error.

    Args:
        dataset: as ``zoo.data.contract`` says.
        indices: int64 ``(length,)``, the items of the data set that belong to the split.
        spec: size and channels that the images are brought to.
        skip_bad: whether damaged images are left out.
        place: of the items, for errors; None where zoo itself has made them.
    """

    #: Read one file, brought to the spec's size or whole, or return None where they cannot; without them the data set
    #: reads every item.
    read_quickly: Callable[[str, InputSpec], Tensor | None] | None = None
    read_whole_quickly: Callable[[str, InputSpec], Tensor | None] | None = None
    #: Changes of single images; images come as they are without one.
    augmentation: Augmentation | None = None
    #: Whole images that are decoded already.
    cache: PixelCache | None = None

    def __init__(
        self, dataset: Any, indices: np.ndarray, spec: InputSpec, skip_bad: bool, place: Place | None = None
    ) -> None:
        self.dataset, self.indices, self.spec, self.skip_bad = dataset, indices, spec, skip_bad
        self.place = place

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: Key) -> tuple[Tensor, int, ZooError | None]:
        """Return pixels, uint8 ``(height, width, channels)``, label and error of an image; the error is None mostly."""
        place, choice = key if isinstance(key, tuple) else (key, None)
        item = int(self.indices[place])
        problem: ZooError
        try:
            if choice is None or self.augmentation is None:
                return *self._sized(item), None
            pixels, label = self._whole(item) if self.augmentation.cuts_whole else self._sized(item)
            return self.augmentation.change(pixels, choice), label, None
        except ZooError as error:  # the main process raises it: a worker's exception arrives as a whole traceback
            problem = error
        except Exception as error:
            if is_from_outside(error):
                raise
            problem = RunError(unforeseen(error))
        spec = self.spec
        return torch.zeros(spec.height, spec.width, spec.channels, dtype=torch.uint8), BAD, problem

    def _sized(self, item: int) -> tuple[Tensor, int]:
        """Return pixels of the spec's size, and the label."""
        spec = self.spec
        if self.read_quickly and (pixels := self.read_quickly(self.dataset.path(item), spec)) is not None:
            return pixels, int(self.dataset.labels[item])
        image, label = self._read(item)
        with self._named(item):
            if spec.channels in (1, 3) and hasattr(image, "getbands"):  # a PIL image, which Pillow scales as it is
                return to_uint8(to_mode(image, spec.channels, spec.white_level), spec), label
            return to_uint8(as_tensor(image, spec.channels, spec.white_level), spec), label

    def _read(self, item: int) -> tuple[Any, int]:
        """Return image and label of an item as the data set gives them."""
        if self.place is not None:
            return read_item(self.dataset, item, self.place)
        image, label = self.dataset[item]
        return image, int(label)

    @contextmanager
    def _named(self, item: int) -> Iterator[None]:
        """Name the item whose image, which the data set has given, cannot be used."""
        try:
            yield
        except ImageError as error:
            if self.place is None:
                raise
            title = titled("dataset", self.place.name)
            raise ImageError(f"{title}: item {item} of its {self.place.split} split: {error}") from error

    def _whole(self, item: int) -> tuple[Tensor, int]:
        """Return pixels of the whole image, and the label, from the cache where it is there."""
        if self.cache is None:
            return self._read_whole(item)
        if (held := self.cache.get(item)) is None:
            held = self._read_whole(item)
            self.cache.put(item, *held)
        return held

    def _read_whole(self, item: int) -> tuple[Tensor, int]:
        """Return pixels of the whole image, and the label; a large image is read smaller."""
        spec = self.spec
        if self.read_whole_quickly and (pixels := self.read_whole_quickly(self.dataset.path(item), spec)) is not None:
            return pixels, int(self.dataset.labels[item])
        image, label = self._read(item)
        with self._named(item):
            if spec.channels in (1, 3) and hasattr(image, "getbands"):
                image = to_mode(image, spec.channels, spec.white_level)
                factor = min(image.height // (WHOLE * spec.height), image.width // (WHOLE * spec.width))
                image = image.reduce(factor) if factor > 1 else image
            return as_tensor(image, spec.channels, spec.white_level), label
