"""Sources of a split's pixels: all of them in memory as one array, or read by workers when they are needed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from zoo.core.errors import ImageError
from zoo.core.spec import InputSpec
from zoo.images.files import to_mode
from zoo.images.preprocess import to_uint8

Batch = tuple[Tensor, Tensor]

#: Bytes of images that are taken from memory, and varied, at once: less stays in the processor's cache, but the calls
#: into torch for each of many small batches cost more.
AT_ONCE_BYTES = 2**20

#: The label of an image that could not be read and is left out of its batch (``--data.skip_bad``).
BAD = -1


class Source(Protocol):
    """Where a loader's images come from."""

    #: ``(height, width)`` of every image that is served.
    size: tuple[int, int]
    #: Images that are best fetched at once; batches of fewer are cut from what was fetched.
    at_once: int

    def __len__(self) -> int: ...

    def fetch(self, index_batches: Sequence[Tensor]) -> Iterator[Batch]:
        """Yield a batch for each int64 ``(batch,)`` tensor of indices, in order.

        Images are uint8 ``(batch, height, width, channels)``, labels int64 ``(batch,)``, BAD where there is no image.
        """
        ...

    def subset(self, indices: np.ndarray) -> Source:
        """Return the source of some of this one's images."""
        ...


class MemorySource:
    """All images of a split as one array; a batch is one indexing operation.

    Args:
        images: uint8 ``(count, height, width, channels)``, or floating features ``(count, width)`` in their place.
        labels: int64 ``(count,)``.
        rows: int64 ``(length,)``, which images belong to the split; None for all. The array is shared, not copied.
    """

    def __init__(self, images: Tensor, labels: Tensor, rows: Tensor | None = None) -> None:
        self.images, self.labels = images, labels
        self.at_once = max(1, AT_ONCE_BYTES // max(images[:1].nbytes, 1))
        self.rows = torch.arange(len(labels)) if rows is None else rows
        self.size = (images.shape[1], images.shape[2]) if images.ndim == 4 else (1, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, index_batches: Sequence[Tensor]) -> Iterator[Batch]:
        """Yield a batch for each tensor of indices."""
        for indices in index_batches:
            rows = self.rows[indices]
            yield self.images[rows], self.labels[rows]

    def subset(self, indices: np.ndarray) -> MemorySource:
        """Return the source of some of this one's images, sharing the array."""
        return MemorySource(self.images, self.labels, self.rows[torch.from_numpy(indices)])


class StreamSource:
    """Images read one by one when they are needed, by worker processes.

    Workers collect whole batches, so each is fetched by itself. Those of training live from epoch to epoch, since
    starting them takes seconds where they begin with fresh interpreters (macOS, Windows).

    Args:
        dataset: map-style data set of ``(image, label)``, an image a PIL image or uint8 ``(height, width, channels)``.
        spec: the size and channels the images are brought to.
        workers: processes that read; 0 reads in this one.
        skip_bad: name damaged images on stderr, once each, instead of raising ImageError.
        indices: int64 ``(length,)``, which items of the data set belong to the split; None for all.
    """

    #: Of training, whose workers live on.
    _kept: DataLoader[Any] | None = None

    def __init__(
        self, dataset: Any, spec: InputSpec, *, workers: int, skip_bad: bool, indices: np.ndarray | None = None
    ) -> None:
        self.items = _Items(dataset, np.arange(len(dataset)) if indices is None else indices, spec, skip_bad)
        self.size, self.at_once = (spec.height, spec.width), 1
        self.workers = workers
        self._named: set[str] = set()

    def __len__(self) -> int:
        return len(self.items.indices)

    def fetch(self, index_batches: Sequence[Tensor]) -> Iterator[Batch]:
        """Yield a batch for each tensor of indices."""
        loader = self._loader() if self._kept is None else self._kept
        # A list, as _loader made it: another one cannot take its place in a loader that lives on.
        loader.batch_sampler[:] = [indices.tolist() for indices in index_batches]  # type: ignore[index]
        for images, labels, problems in loader:
            for problem in problems:
                if not self.items.skip_bad:
                    raise ImageError(f"{problem} (--data.skip_bad true leaves such images out)")
                if problem not in self._named:
                    self._named.add(problem)
                    print(f"skipped bad image {len(self._named)}: {problem}", file=sys.stderr)
            yield images, labels

    def subset(self, indices: np.ndarray) -> StreamSource:
        """Return the source of some of this one's images."""
        items = self.items
        return StreamSource(
            items.dataset, items.spec, workers=self.workers, skip_bad=items.skip_bad, indices=items.indices[indices]
        )

    def for_training(self) -> StreamSource:
        """Return the source of the same images; plain files are decoded by ``zoo.images.fast_jpeg``.

        Only a data set whose class sets ``plain_files`` says that ``__getitem__`` does nothing but open a file.
        """
        source, items = copy(self), copy(self.items)
        if vars(type(items.dataset)).get("plain_files"):  # said by the class itself: a subclass may read otherwise
            from zoo.images.fast_jpeg import read_for_training  # only streaming needs it

            items.read_quickly = read_for_training
        source.items = items
        source._kept = source._loader(persistent=self.workers > 0)
        return source

    def stop_workers(self) -> None:
        """End the processes that training keeps; a pass that comes yet starts its own."""
        self._kept = None

    def _loader(self, persistent: bool = False) -> DataLoader[Any]:
        """Return a loader whose ``batch_sampler``, a list of batches of indices, is still empty."""
        return DataLoader(
            self.items,  # type: ignore[arg-type]  # map-style by its two methods, no subclass of Dataset
            batch_sampler=[],
            num_workers=self.workers,
            persistent_workers=persistent,
            collate_fn=_collate,
            worker_init_fn=leave_signals_to_main,
            # A generator of its own: the global one must not move with the number of workers.
            generator=torch.Generator(),
        )

    def read_all(self, chunk: int = 64) -> MemorySource:
        """Read every image once and return them as one array."""
        size = (len(self), *self.size, self.items.spec.channels)
        images, labels = torch.empty(size, dtype=torch.uint8), torch.empty(len(self), dtype=torch.int64)
        indices = torch.split(torch.arange(len(self)), chunk)
        for chosen, (pixels, label) in zip(indices, self.fetch(indices), strict=True):
            images[chosen], labels[chosen] = pixels, label
        return MemorySource(images, labels)


class _Items:
    """Items brought to one size, in the worker that reads them; a damaged one comes with its error's text."""

    #: Reads one plain file, or returns None where it cannot; None takes all items from the data set.
    read_quickly: Callable[[str, InputSpec], Tensor | None] | None = None

    def __init__(self, dataset: Any, indices: np.ndarray, spec: InputSpec, skip_bad: bool) -> None:
        self.dataset, self.indices, self.spec, self.skip_bad = dataset, indices, spec, skip_bad

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, int, str]:
        spec, item = self.spec, int(self.indices[index])
        if self.read_quickly and (pixels := self.read_quickly(self.dataset.path(item), spec)) is not None:
            return pixels, int(self.dataset.labels[item]), ""
        try:
            image, label = self.dataset[item]
            if hasattr(image, "getbands"):  # a PIL image, which need not become an array to be scaled
                return to_uint8(to_mode(image, 1 if spec.channels == 1 else 3), spec), int(label), ""
            return to_uint8(as_tensor(image, spec.channels), spec), int(label), ""
        except ImageError as error:  # raised in the main process: a worker's exceptions arrive as whole tracebacks
            return torch.zeros(spec.height, spec.width, spec.channels, dtype=torch.uint8), BAD, str(error)


def leave_signals_to_main(worker: int) -> None:
    """Let a worker live through Ctrl-C, which every process of a terminal gets: the main process ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # DataLoader sets what SIGTERM does


def _collate(items: Sequence[tuple[Tensor, int, str]]) -> tuple[Tensor, Tensor, list[str]]:
    images, labels, problems = zip(*items, strict=True)
    # In a worker default_collate writes to shared memory at once.
    return (
        default_collate(list(images)),
        torch.tensor(labels, dtype=torch.int64),
        [problem for problem in problems if problem],
    )


def as_tensor(image: Any, channels: int) -> Tensor:
    """Return a data set's image as uint8 ``(height, width, channels)``.

    Args:
        image: a PIL image, or a uint8 array or tensor ``(height, width)`` or ``(height, width, channels)``.
        channels: 1 or 3; a grey image becomes three equal channels.

    Raises:
        ImageError: the image is of another type or shape.
    """
    if hasattr(image, "getbands"):  # a PIL image
        image = np.asarray(to_mode(image, 1 if channels == 1 else 3))
    tensor = torch.as_tensor(np.array(image) if isinstance(image, np.ndarray) else image)
    if tensor.ndim == 2:
        tensor = tensor[..., None]
    if tensor.ndim == 3 and tensor.shape[2] == 1 and channels == 3:
        tensor = tensor.expand(-1, -1, 3)
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[2] != channels:
        raise ImageError(
            f"a data set's image must be a PIL image or uint8 (height, width, {channels}), "
            f"received {tensor.dtype} {tuple(tensor.shape)}"
        )
    return tensor
