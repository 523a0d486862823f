"""Read every image of every split once: can it be decoded, and what are its size, mode, digest and thumbnail.

    data set ──► workers: read, digest, shrink ──► ImageRecord of each image ──► SplitScan

A scan takes 1.2 kB of memory per image, whatever the image's size.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader

from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.data.checks.duplicates import SIDE
from zoo.data.contract import require_dataset
from zoo.data.sources import leave_signals_to_main
from zoo.images.files import to_mode

SPLITS = ("train", "val", "test")

#: Records that a worker returns at a time.
CHUNK = 64


class ImageRecord(NamedTuple):
    """What the scan keeps of one image.

    Args:
        label: of its class; -1 if the image cannot be read and the data set has no list of labels.
        size: width and height of the file, in pixels; 0, 0 if it cannot be read.
        mode: of the file, as Pillow calls it.
        digest: 16 bytes that are equal only for equal pixels.
        thumbnail: uint8 ``(SIDE, SIDE)``, grey.
        problem: why it cannot be read, or empty.
    """

    label: int
    size: tuple[int, int]
    mode: str
    digest: bytes
    thumbnail: np.ndarray
    problem: str = ""


@dataclass(frozen=True)
class SplitScan:
    """The records of a split; all arrays are in the order of its items.

    Args:
        split: train, val or test.
        classes: names in the order of the labels.
        labels: int64 ``(count,)``, -1 if unknown.
        sizes: int64 ``(count, 2)``, width and height in pixels; 0 if the image cannot be read.
        modes: Pillow's names, ``""`` if the image cannot be read.
        digests: ``(count,)`` of 16 bytes, equal for equal pixels.
        thumbnails: uint8 ``(count, SIDE, SIDE)``, grey.
        problems: by index, why an image cannot be read.
        files: path of each image, or None if the data set has no paths.
    """

    split: str
    classes: list[str]
    labels: np.ndarray
    sizes: np.ndarray
    modes: np.ndarray
    digests: np.ndarray
    thumbnails: np.ndarray
    problems: dict[int, str]
    files: list[str] | None

    @property
    def readable(self) -> np.ndarray:
        """Bool ``(count,)``: which images can be read."""
        readable = np.ones(len(self.labels), bool)
        readable[list(self.problems)] = False
        return readable

    @property
    def counts(self) -> list[int]:
        """Number of images of each class."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes)).tolist()  # type: ignore[no-any-return]


def scan_dataset(
    name: str, root: Path, options: Mapping[str, Any], workers: int
) -> tuple[dict[str, SplitScan], dict[str, str]]:
    """Read every image of a data set.

    Args:
        name: registered name of the data set.
        root: the data root.
        options: of the data set.
        workers: processes that read images; a data set in memory is read in this process.

    Returns:
        Scans by split, and for each missing split why it is missing.

    Raises:
        UserError: the data set cannot be opened or breaks its contract.
        DownloadError: files are missing and cannot be downloaded.
    """
    scans, missing = {}, {}
    for split in SPLITS:
        try:
            dataset = registry.call("dataset", name, (root, split), options, variant="as_found")
        except NoSplitError as error:
            missing[split] = str(error)
            continue
        require_dataset(name, split, dataset)
        scans[split] = scan = _scan_split(split, dataset, workers)
        if len(scan.labels) and int(scan.labels.max()) >= len(scan.classes):
            raise UserError(
                f"data set '{name}' breaks the contract: the labels of its {split} split must be "
                f"0 to {len(scan.classes) - 1}, received {scan.labels.max()}"
            )
    if not scans:
        raise UserError(f"data set '{name}' has no split at all: {'; '.join(missing.values())}")
    return scans, missing


def _scan_split(split: str, dataset: Any, workers: int) -> SplitScan:
    count = len(dataset)
    labels, sizes = np.full(count, -1, np.int64), np.zeros((count, 2), np.int64)
    modes, digests = np.full(count, "", "U8"), np.zeros(count, "S16")
    thumbnails, problems = np.zeros((count, SIDE, SIDE), np.uint8), {}
    loader: DataLoader[Any] = DataLoader(
        _Records(dataset),  # type: ignore[arg-type]  # map-style by its two methods, not a subclass of Dataset
        batch_size=CHUNK,
        num_workers=0 if isinstance(getattr(dataset, "images", None), np.ndarray) else min(workers, count // CHUNK + 1),
        collate_fn=list,
        worker_init_fn=leave_signals_to_main,
    )
    chunks = track(loader, split, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    for index, record in enumerate(record for chunk in chunks for record in chunk):
        labels[index], sizes[index], modes[index] = record.label, record.size, record.mode
        digests[index], thumbnails[index] = record.digest, record.thumbnail
        if record.problem:
            problems[index] = record.problem
    path = getattr(dataset, "path", None)
    files = None if path is None else [str(path(index)) for index in range(count)]
    return SplitScan(split, list(map(str, dataset.classes)), labels, sizes, modes, digests, thumbnails, problems, files)


class _Records:
    """A map-style data set of ImageRecords, so that workers make them."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.labels = getattr(dataset, "labels", None)
        self.path = getattr(dataset, "path", None)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> ImageRecord:
        try:
            item, label = self.dataset[index]
            image = _to_image(item)
            size, mode = item.size if hasattr(item, "getbands") else image.size, getattr(item, "mode", image.mode)
            if self.path is not None:  # the data set has converted the image; its file has the original size and mode
                with Image.open(self.path(index)) as file:
                    size, mode = file.size, file.mode
        except Exception as error:  # a data set may raise any exception for a damaged item; the scan goes on
            label = -1 if self.labels is None else int(self.labels[index])
            text = " ".join(str(error).split()) or type(error).__name__
            return ImageRecord(label, (0, 0), "", bytes(16), np.zeros((SIDE, SIDE), np.uint8), text)
        pixels = np.ascontiguousarray(image)
        digest = blake2b(pixels.data, digest_size=16, salt=repr(pixels.shape).encode()[:16]).digest()
        thumbnail = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        return ImageRecord(int(label), size, mode, digest, thumbnail)


def _to_image(item: Any) -> Image.Image:
    """Convert an item's image to an upright PIL image of mode L or RGB.

    Raises:
        TypeError: it is neither a PIL image nor a uint8 array of one or three channels.
        ImageError: its mode has no agreed meaning as a picture.
    """
    if hasattr(item, "getbands"):
        return to_mode(item, 1 if item.mode in ("1", "L") or item.mode.startswith("I") else 3)
    array = np.asarray(item)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)):
        raise TypeError(
            "an image must be a PIL image or uint8 (height, width, 1 or 3), "
            f"received {array.dtype} {tuple(array.shape)}"
        )
    return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)
