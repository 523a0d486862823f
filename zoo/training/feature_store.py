"""Computes the features of a frozen prefix once, and keeps them in memory or in files.

A file is in the user's cache; its name is a hash of everything that decides its content: frozen weights, pixels,
InputSpec, precision, device and versions. It is written under another name and renamed when it is complete.
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

from zoo.core.locks import one_at_a_time
from zoo.core.version import __version__
from zoo.data.contract import Split
from zoo.data.sources import Source
from zoo.models.frozen_prefix import NoPrefix
from zoo.models.head_prefix import Prefix
from zoo.models.layers import layers
from zoo.training.task import ImageClassifier

#: Operations that two cores of 100 GFLOP/s do while a disk of 0.5 GB/s reads one byte.
DISK_FLOPS_PER_BYTE = 200


class FeatureStore:
    """Computes features and keeps them: in memory up to a limit, else in files.

    Args:
        prefix: computes them.
        classifier: preprocesses the images.
        limit: bytes that it may keep in memory.
        precision: of the trainer.
    """

    def __init__(self, prefix: Prefix, classifier: ImageClassifier, limit: float, precision: str) -> None:
        self.prefix, self.classifier, self.limit, self.precision = prefix, classifier, limit, precision
        self.folder = user_cache_path("zoo") / "features"
        #: Size of all features, and where they are, in words.
        self.bytes, self.place = 0, "kept in memory"

    def fill(self, sources: dict[Split, Source], batch_size: int) -> dict[Split, tuple[Tensor, Tensor]]:
        """Return each source's features ``(count, width)`` and labels int64 ``(count,)``.

        Raises:
            NoPrefix: they fit neither in memory nor on the disk, or reading them would take longer than computing.
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
        """Refuse files if reading features from them takes longer than running the layers."""
        size = f"{self.bytes / 2**30:,.1f} GiB of output"
        network, spec = self.classifier.network, self.classifier.spec
        trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        flops = sum(layer.flops for layer in layers(network, spec) if not trained & set(layer.parameters))
        if self.classifier.device.type != "cpu" or flops < DISK_FLOPS_PER_BYTE * row:
            raise NoPrefix(f"reading their {size} from a disk takes longer (--data.memory_gib limits memory)")

    def _require_room(self, sources: dict[Split, Source], keys: dict[Split, str]) -> None:
        """Remove partial files of interrupted processes, and refuse files that the disk has no room for."""
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
        for rows, (images, batch_labels) in _batches(source, batch_size, "frozen layers"):
            into[rows] = self._features(images).cpu()
            labels[rows] = batch_labels
        return labels

    def _from_file(self, source: Source, key: str, batch_size: int) -> Tensor:
        """Return a source's features from their file, which is written first if it is missing."""
        path = self._path(key)
        with one_at_a_time(path.with_suffix(".lock"), f"computes {path}"):
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
        """Write a source's features to a file."""
        with part.open("wb") as file:  # all blocks now: mapped memory on a full disk kills the process
            os.posix_fallocate(file.fileno(), 0, self._size(source))
        self._compute(source, batch_size, self._map(part, len(source)))
        with part.open("rb") as file:
            os.fsync(file.fileno())

    def _features(self, images: Tensor) -> Tensor:
        return self.prefix.features(self.classifier.preprocess(images.to(self.classifier.device)))

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
        """Return the hash of everything that decides a source's features, and its labels; reads every image.

        Frozen modules may depend on more than their weights: the features of the first batch represent the rest.
        """
        facts = [torch.__version__, __version__, self.precision, self.classifier.device.type, torch.get_num_threads()]
        facts += [batch_size, self.classifier.architecture, self.classifier.spec.to_dict()]
        digest = hashlib.sha256(json.dumps(facts, default=str).encode())
        digest.update(self.prefix.description.encode())
        for name, tensor in self.prefix.state().items():
            digest.update(name.encode())
            digest.update(_bytes(tensor))
        labels = torch.empty(len(source), dtype=torch.int64)
        for rows, (images, batch_labels) in _batches(source, batch_size, "reading"):
            digest.update(_bytes(images))
            labels[rows] = batch_labels
            if int(rows[0]) == 0:
                digest.update(_bytes(self._features(images)))
        return digest.hexdigest(), labels


def _batches(source: Source, batch_size: int, title: str) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """Yield rows and batches of all images in order, with a progress bar in a terminal."""
    rows = list(torch.split(torch.arange(len(source)), batch_size))
    console = Console(stderr=True)
    batches = zip(rows, source.fetch(rows), strict=True)
    shown = {"console": console, "transient": True, "disable": not console.is_terminal}
    yield from track(batches, title, total=len(rows), **shown)  # type: ignore[arg-type]  # keywords of three types


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
