"""Where the pixels of a split come from: one array in memory, or files that worker processes read when needed."""

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

from zoo.core.console import print_stderr, printable
from zoo.core.errors import ImageError, ZooError
from zoo.core.spec import InputSpec
from zoo.data.augmentation import Augmentation
from zoo.data.contract import Place
from zoo.data.item_reader import ItemReader
from zoo.data.pixel_cache import PixelCache
from zoo.data.worker_deaths import named_deaths

Batch = tuple[Tensor, Tensor]

#: Bytes of images that are taken from memory, and augmented, at once: so many fit in the processor's cache, and fewer
#: would mean more calls into torch.
AT_ONCE_BYTES = 2**20

#: Damaged images that one error names, and images from which it says that naming them takes time.
NAMED, MANY = 12, 1_000

#: What the error about one image ends in; of several it is said once.
REMEDY = "; replace or remove it"

#: Images that are read at once where no batch says how many.
CHUNK = 64


class Source(Protocol):
    """Where the images of a loader come from."""

    #: ``(height, width)`` of every image.
    size: tuple[int, int]
    #: Images that are best fetched at once; smaller batches are cut from them.
    at_once: int
    #: Whether no label is BAD; then no batch is searched for such labels.
    sound: bool

    def __len__(self) -> int: ...

    def fetch(self, index_batches: Sequence[Tensor], choices: Sequence[Tensor] | None = None) -> Iterator[Batch]:
        """Yield a batch for each int64 ``(batch,)`` tensor of indices, in order.

        Images are uint8 ``(batch, height, width, channels)``, labels int64 ``(batch,)``, BAD where there is no image.

        Args:
            index_batches: which images.
            choices: int64 ``(batch, 4)`` for each batch, what ``Augmentation.draw`` drew for its images; a source of
                ``augmented`` images changes them so.
        """
        ...

    def subset(self, indices: np.ndarray) -> Source:
        """Return a source of some of the images, by int64 ``(length,)`` indices."""
        ...


class MemorySource:
    """All images of a split as one array; a batch is one indexing operation.

    Args:
        images: uint8 ``(count, height, width, channels)``, or floating-point features ``(count, width)``.
        labels: int64 ``(count,)``.
        rows: int64 ``(length,)``, the images that belong to the split; None for all. The array is shared, not copied.
    """

    sound = False
    _copy: MemorySource | None = None

    def __init__(self, images: Tensor, labels: Tensor, rows: Tensor | None = None) -> None:
        self.images, self.labels = images, labels
        self.at_once = max(1, AT_ONCE_BYTES // max(images[:1].nbytes, 1))
        self.rows = torch.arange(len(labels)) if rows is None else rows
        self.size = (images.shape[1], images.shape[2]) if images.ndim == 4 else (1, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, index_batches: Sequence[Tensor], choices: Sequence[Tensor] | None = None) -> Iterator[Batch]:
        """Yield a batch for each tensor of indices; no image is changed."""
        for indices in index_batches:
            # To a GPU a batch's indices go without waiting for it.
            rows = self.rows[indices].to(self.images.device, non_blocking=True)
            yield self.images[rows], self.labels[rows]

    def on(self, device: torch.device) -> MemorySource:
        """Return the source of the same images on a device, where its batches are made; no label may be BAD."""
        if self._copy is None or self._copy.images.device != device:
            self._copy = MemorySource(self.images[self.rows].to(device), self.labels[self.rows].to(device))
            self._copy.sound = True
        return self._copy

    def subset(self, indices: np.ndarray) -> MemorySource:
        """Return a source of some of the images, which shares the array."""
        return MemorySource(self.images, self.labels, self.rows[torch.from_numpy(indices)])

    def streamed(self, spec: InputSpec, workers: int) -> StreamSource:
        """Return a source of the same images, uint8, whose workers take them from the array."""
        items = _Held(self.images, self.labels)
        return StreamSource(items, spec, workers=workers, skip_bad=True, indices=self.rows.numpy())


class _Held:
    """The map-style data set of an array in memory, which workers share."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])


class StreamSource:
    """Images that worker processes read when they are needed; a worker collects a whole batch.

    The workers of training live from epoch to epoch: where they are spawned (macOS, Windows), starting takes seconds.

    Args:
        dataset: as ``zoo.data.contract`` says.
        spec: size and channels that the images are brought to.
        workers: number of processes; 0 reads in this one.
        skip_bad: name each damaged image once on stderr instead of raising ImageError.
        indices: int64 ``(length,)``, the items of the data set that belong to the split; None for all.
        other_splits: gives the data sets of the other splits, whose damaged images are named too, with their places.
        place: of the items, for errors; None where zoo itself has made them.
    """

    #: The loader of training, whose workers live on.
    _persistent: DataLoader[Any] | None = None
    #: Whether batches come in pinned memory.
    _pinned = False
    sound = False

    def __init__(
        self,
        dataset: Any,
        spec: InputSpec,
        *,
        workers: int,
        skip_bad: bool,
        indices: np.ndarray | None = None,
        other_splits: Callable[[], Sequence[tuple[Any, Place]]] = tuple,
        place: Place | None = None,
    ) -> None:
        chosen = np.arange(len(dataset)) if indices is None else indices
        self.items = ItemReader(dataset, chosen, spec, skip_bad, place)
        self.size, self.at_once = (spec.height, spec.width), 1
        self.workers, self.other_splits = workers, other_splits
        self._named: set[str] = set()

    def __len__(self) -> int:
        return len(self.items.indices)

    def fetch(self, index_batches: Sequence[Tensor], choices: Sequence[Tensor] | None = None) -> Iterator[Batch]:
        """Yield a batch for each tensor of indices."""
        loader = self._loader() if self._persistent is None else self._persistent
        keys: list[list[Any]] = [indices.tolist() for indices in index_batches]
        if choices is not None:
            keys = [list(zip(batch, drawn.tolist(), strict=True)) for batch, drawn in zip(keys, choices, strict=True)]
        # The list is changed in place: a DataLoader that lives on cannot get another one.
        loader.batch_sampler[:] = keys  # type: ignore[index]
        for images, labels, problems in named_deaths(loader, self._dataset_name()):
            damaged = _damaged(problems)
            if damaged and not self.items.skip_bad:
                raise self._damage()
            for problem in damaged:
                if problem not in self._named:
                    self._named.add(problem)
                    print(f"skipped bad image {len(self._named)}: {printable(problem)}", file=sys.stderr)
            yield images, labels

    def _damage(self) -> ImageError:
        """Return the error that names all damaged images of the data set, in whichever split they are."""
        datasets = [(self.items.dataset, self.items.place), *self.other_splits()]
        if (count := sum(len(dataset) for dataset, _ in datasets)) > MANY:
            print_stderr(f"an image is damaged: all {count:,} are read once, to name every one that is")
        problems: list[str] = []
        for dataset, place in datasets:
            whole = StreamSource(dataset, self.items.spec, workers=self.workers, skip_bad=True, place=place)
            loader = whole._loader()
            loader.batch_sampler[:] = torch.split(torch.arange(len(dataset)), CHUNK)  # type: ignore[index]
            problems += [
                problem for *_, found in named_deaths(loader, whole._dataset_name()) for problem in _damaged(found)
            ]
        if len(problems) == 1:
            return ImageError(f"{problems[0]} (--data.skip_bad true leaves such images out)")
        more = f" and {len(problems) - NAMED:,} more, which zoo check names" if len(problems) > NAMED else ""
        named = "; ".join(problem.removesuffix(REMEDY) for problem in problems[:NAMED])
        return ImageError(
            f"{len(problems):,} images cannot be read: {named}{more}; replace or remove them "
            "(--data.skip_bad true leaves such images out)"
        )

    def subset(self, indices: np.ndarray) -> StreamSource:
        """Return a source of some of the images."""
        source, items = copy(self), copy(self.items)
        items.indices = items.indices[indices]
        source.items, source._named, source._persistent = items, set(), None
        return source

    def quickly(self, augmentation: Augmentation, memory_bytes: int) -> StreamSource:
        """Return a source of the same images, whose workers take the steps of an augmentation.

        It decodes the files of a data set with ``plain_files`` (``zoo.data.contract``) by ``zoo.images.fast_jpeg``.

        Args:
            augmentation: of the images.
            memory_bytes: so much of the whole images may be held, where the augmentation cuts out of them.
        """
        source, items = copy(self), copy(self.items)
        if vars(type(items.dataset)).get("plain_files"):  # not inherited: a subclass may read its files otherwise
            from zoo.images.fast_jpeg import read_for_training, read_whole_for_training  # only streaming needs it

            items.read_quickly, items.read_whole_quickly = read_for_training, read_whole_for_training
        items.augmentation = augmentation
        if augmentation.cuts_whole and not hasattr(items.dataset, "images"):  # which are in memory already
            items.cache = PixelCache(len(items.dataset), memory_bytes)
        source.items = items
        return source

    def for_training(self) -> StreamSource:
        """Return a source of the same images whose workers live on."""
        source = copy(self)
        source._persistent = source._loader(persistent=self.workers > 0)
        return source

    def pin(self) -> None:
        """Give batches in pinned memory from now on, which a GPU reads while it computes."""
        self._pinned = True
        if self._persistent is not None:
            self._persistent.pin_memory = True

    def stop_workers(self) -> None:
        """Stop the workers that live on; a later pass starts its own."""
        self._persistent = None

    def _dataset_name(self) -> str:
        return self.items.place.name if self.items.place is not None else ""

    def _loader(self, persistent: bool = False) -> DataLoader[Any]:
        """Return a DataLoader whose ``batch_sampler``, a list of batches of indices, is still empty."""
        return DataLoader(
            self.items,  # type: ignore[arg-type]  # map-style by its two methods, no subclass of Dataset
            batch_sampler=[],
            num_workers=self.workers,
            persistent_workers=persistent,
            collate_fn=_collate,
            pin_memory=self._pinned,
            worker_init_fn=leave_signals_to_main,
            # Its own generator: otherwise the number of workers would change the state of the global one.
            generator=torch.Generator(),
        )

    def read_all(self, chunk: int = CHUNK) -> MemorySource:
        """Read every image once, ``chunk`` of them in a batch, and return them as one array."""
        size = (len(self), *self.size, self.items.spec.channels)
        images, labels = torch.empty(size, dtype=torch.uint8), torch.empty(len(self), dtype=torch.int64)
        indices = torch.split(torch.arange(len(self)), chunk)
        for chosen, (pixels, label) in zip(indices, self.fetch(indices), strict=True):
            images[chosen], labels[chosen] = pixels, label
        return MemorySource(images, labels)


def leave_signals_to_main(worker: int) -> None:
    """Let a worker ignore Ctrl-C, which a terminal sends to every process: the main process stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # DataLoader decides what SIGTERM does


def _collate(items: Sequence[tuple[Tensor, int, ZooError | None]]) -> tuple[Tensor, Tensor, list[ZooError]]:
    images, labels, problems = zip(*items, strict=True)
    pixels = default_collate(list(images))  # which writes to shared memory in a worker
    return pixels, torch.tensor(labels, dtype=torch.int64), [problem for problem in problems if problem is not None]


def _damaged(problems: Sequence[ZooError]) -> list[str]:
    """Return what is wrong with each damaged image; raise a problem that leaving images out does not solve."""
    for problem in problems:
        if not isinstance(problem, ImageError):
            raise problem
    return list(map(str, problems))
