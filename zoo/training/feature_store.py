"""Features of images, as a frozen prefix gives them: computed once, held in memory or in files.

A file of features lies in the user's cache under a key of all that decides its content: the frozen weights, the pixels,
the InputSpec, precision, device and versions. It is filled beside its place and moved there when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import track
from torch import Tensor

from zoo.core.version import __version__
from zoo.data.contract import Split
from zoo.data.sources import Source
from zoo.models.frozen_prefix import FrozenPrefix, NoPrefix
from zoo.models.layers import layers
from zoo.training.task import ImageClassifier

#: Reading a byte back from a disk of 0.5 GB/s takes as long as so many operations on two cores of 100 GFLOP/s.
DISK_FLOPS_PER_BYTE = 200


class FeatureStore:
    """Computes features and keeps them: in memory up to a limit, else in files.

    Args:
        prefix: computes them.
        classifier: preprocesses the images.
        limit: bytes that may be kept in memory.
        precision: that the trainer computes in.
    """

    def __init__(self, prefix: FrozenPrefix, classifier: ImageClassifier, limit: float, precision: str) -> None:
        self.prefix, self.classifier, self.limit, self.precision = prefix, classifier, limit, precision
        self.folder = user_cache_path("zoo") / "features"
        #: Of all features, and where they are, for people.
        self.bytes, self.place = 0, "kept in memory"

    def fill(self, sources: dict[Split, Source], batch_size: int) -> dict[Split, tuple[Tensor, Tensor]]:
        """Return each source's features ``(count, width)`` and labels int64 ``(count,)``.

        Raises:
            NoPrefix: they fit neither in memory nor on the disk, or reading them back would take longer.
        """
        row = self.prefix.width * self.prefix.dtype.itemsize
        self.bytes = sum(len(source) for source in sources.values()) * row
        if self.bytes <= self.limit:
            empty = {
                split: torch.empty(len(source), self.prefix.width, dtype=self.prefix.dtype)
                for split, source in sources.items()
            }
            return {split: (empty[split], self._compute(sources[split], batch_size, empty[split])) for split in sources}
        self._require_worth(row)
        self.place = f"in {self.folder}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            keys = {split: self._key(source, batch_size) for split, source in sources.items()}
            self._require_room(sources, {split: key for split, (key, _) in keys.items()})
            return {
                split: (self._from_file(source, keys[split][0], batch_size), keys[split][1])
                for split, source in sources.items()
            }
        except OSError as error:
            raise NoPrefix(f"{self.folder} cannot be used: {error.strerror or error}") from error

    def _require_worth(self, row: int) -> None:
        """Refuse files from which features would come more slowly than from the layers themselves."""
        size = f"{self.bytes / 2**30:,.1f} GiB of output"
        network, spec = self.classifier.network, self.classifier.spec
        trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        flops = sum(layer.flops for layer in layers(network, spec) if not trained & set(layer.parameters))
        if self.classifier.device.type != "cpu" or flops < DISK_FLOPS_PER_BYTE * row:
            raise NoPrefix(f"reading their {size} from a disk takes longer (--data.memory_gib is what memory may hold)")

    def _require_room(self, sources: dict[Split, Source], keys: dict[Split, str]) -> None:
        """Remove what interrupted fills left, and refuse files that the disk has no room for."""
        for part in self.folder.glob("*.part"):
            with suppress(Timeout), FileLock(part.with_suffix(".lock"), timeout=0):
                part.unlink(missing_ok=True)
        missing = sum(self._size(source) for split, source in sources.items() if not self._path(keys[split]).is_file())
        free = shutil.disk_usage(self.folder).free
        if missing > 0.9 * free:
            size = f"{missing / 2**30:,.1f} GiB of output"
            raise NoPrefix(f"{self.folder} has no room for their {size} ({free / 2**30:,.1f} GiB are free)")

    def _compute(self, source: Source, batch_size: int, into: Tensor) -> Tensor:
        """Write a source's features, row by row, and return its labels."""
        labels = torch.empty(len(source), dtype=torch.int64)
        for rows, (images, found) in _batches(source, batch_size, "frozen layers"):
            into[rows] = self.prefix.features(self.classifier.preprocess(_moved(images, self.classifier))).cpu()
            labels[rows] = found
        return labels

    def _from_file(self, source: Source, key: str, batch_size: int) -> Tensor:
        """Return a source's features in their file, which is made where it is not there."""
        path = self._path(key)
        with FileLock(path.with_suffix(".lock")):  # a second run of the same waits, and finds the file
            if not path.is_file() or path.stat().st_size != self._size(source):
                part = path.with_suffix(".part")
                try:
                    self._make(part, source, batch_size)
                    os.replace(part, path)
                except BaseException:
                    part.unlink(missing_ok=True)
                    raise
        return self._map(path, len(source))

    def _make(self, part: Path, source: Source, batch_size: int) -> None:
        """Compute a source's features into a file."""
        with part.open("wb") as file:  # with all its blocks: a full disk must not kill who writes to memory
            os.posix_fallocate(file.fileno(), 0, self._size(source))
        self._compute(source, batch_size, self._map(part, len(source)))
        with part.open("rb") as file:
            os.fsync(file.fileno())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.features"

    def _size(self, source: Source) -> int:
        size: int = len(source) * self.prefix.width * self.prefix.dtype.itemsize
        return size

    def _map(self, path: Path, count: int) -> Tensor:
        width = self.prefix.width
        flat = torch.from_file(str(path), shared=True, size=count * width, dtype=self.prefix.dtype)
        return flat.view(count, width)

    def _key(self, source: Source, batch_size: int) -> tuple[str, Tensor]:
        """Return what names a source's features, and its labels; reads every image.

        Frozen modules may hold more than their weights: the features of the first batch stand for the rest.
        """
        made = (torch.__version__, __version__, self.precision, self.classifier.device.type)
        facts = [
            *made,
            torch.get_num_threads(),
            batch_size,
            self.classifier.architecture,
            self.classifier.spec.to_dict(),
        ]
        digest = hashlib.sha256(json.dumps(facts, default=str).encode())
        digest.update(str(self.prefix.prefix).encode())
        for name, tensor in self.prefix.prefix.state_dict().items():
            digest.update(name.encode())
            digest.update(_bytes(tensor))
        labels = torch.empty(len(source), dtype=torch.int64)
        for rows, (images, found) in _batches(source, batch_size, "reading"):
            digest.update(_bytes(images))
            labels[rows] = found
            if int(rows[0]) == 0:
                digest.update(_bytes(self.prefix.features(self.classifier.preprocess(_moved(images, self.classifier)))))
        return digest.hexdigest(), labels


def _batches(source: Source, batch_size: int, title: str) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """Yield the rows and the batch of all images in order, behind a progress bar where there is a terminal."""
    rows = list(torch.split(torch.arange(len(source)), batch_size))
    console = Console(stderr=True)
    fetched = zip(rows, source.fetch(rows), strict=True)
    shown = {"console": console, "transient": True, "disable": not console.is_terminal}
    yield from track(fetched, title, total=len(rows), **shown)  # type: ignore[arg-type]  # keywords of three types


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def _moved(images: Tensor, classifier: ImageClassifier) -> Tensor:
    return images.to(classifier.device)
