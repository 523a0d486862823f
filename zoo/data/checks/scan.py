"""Every image of every split, looked at once: can it be read, what are its size and mode, a digest, a thumbnail.

    data set ──► workers: read, digest, shrink ──► Look at each image ──► Survey of the split

What is kept of an image takes 1.2 kB, whatever its size.
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

#: Images that a worker hands over at a time.
CHUNK = 64


class Look(NamedTuple):
    """What one image shows.

    Args:
        label: of its class; -1 where the image cannot be read and the data set has no list of labels.
        size: width and height of the file, in pixels; 0, 0 where it cannot be read.
        mode: of the file, as Pillow calls it.
        digest: 16 bytes that only the same pixels have.
        thumbnail: uint8 ``(SIDE, SIDE)``, grey.
        problem: why it cannot be read; empty where it can.
    """

    label: int
    size: tuple[int, int]
    mode: str
    digest: bytes
    thumbnail: np.ndarray
    problem: str = ""


@dataclass(frozen=True)
class Survey:
    """A split as it was found; all arrays in the order of its items.

    Args:
        split: train, val or test.
        classes: names, in the order of the labels.
        labels: int64 ``(count,)``, -1 where it is not known.
        sizes: int64 ``(count, 2)``, width and height in pixels; 0 where the image cannot be read.
        modes: Pillow's names, ``""`` where the image cannot be read.
        digests: ``(count,)`` of 16 bytes, the same for the same pixels.
        thumbnails: uint8 ``(count, SIDE, SIDE)``, grey.
        problems: why images cannot be read, by index.
        files: path of each image, or None where the data set does not know it.
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
        """Images of each class."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes)).tolist()  # type: ignore[no-any-return]


def surveyed(
    name: str, root: Path, options: Mapping[str, Any], workers: int
) -> tuple[dict[str, Survey], dict[str, str]]:
    """Look at every image of a data set.

    Args:
        name: registered name of the data set.
        root: the data root.
        options: of the data set.
        workers: processes that read images; those of a data set that lies in memory are read in this one.

    Returns:
        Surveys by split, and why a split is missing, by split.

    Raises:
        UserError: the data set cannot be opened or breaks its contract.
        DownloadError: files are missing and cannot be downloaded.
    """
    found, missing = {}, {}
    for split in SPLITS:
        try:
            dataset = registry.call("dataset", name, (root, split), options, variant="as_found")
        except NoSplitError as error:
            missing[split] = str(error)
            continue
        require_dataset(name, split, dataset)
        found[split] = survey = _survey(split, dataset, workers)
        if len(survey.labels) and int(survey.labels.max()) >= len(survey.classes):
            raise UserError(
                f"data set '{name}' breaks the contract: the labels of its {split} split must be "
                f"0 to {len(survey.classes) - 1}, received {survey.labels.max()}"
            )
    if not found:
        raise UserError(f"data set '{name}' has no split at all: {'; '.join(missing.values())}")
    return found, missing


def _survey(split: str, dataset: Any, workers: int) -> Survey:
    count = len(dataset)
    labels, sizes = np.full(count, -1, np.int64), np.zeros((count, 2), np.int64)
    modes, digests = np.full(count, "", "U8"), np.zeros(count, "S16")
    thumbnails, problems = np.zeros((count, SIDE, SIDE), np.uint8), {}
    loader: DataLoader[Any] = DataLoader(
        _Looks(dataset),  # type: ignore[arg-type]  # map-style by its two methods, no subclass of Dataset
        batch_size=CHUNK,
        num_workers=0 if isinstance(getattr(dataset, "images", None), np.ndarray) else min(workers, count // CHUNK + 1),
        collate_fn=list,
        worker_init_fn=leave_signals_to_main,
    )
    chunks = track(loader, split, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    for index, look in enumerate(look for chunk in chunks for look in chunk):
        labels[index], sizes[index], modes[index] = look.label, look.size, look.mode
        digests[index], thumbnails[index] = look.digest, look.thumbnail
        if look.problem:
            problems[index] = look.problem
    path = getattr(dataset, "path", None)
    files = None if path is None else [str(path(index)) for index in range(count)]
    return Survey(split, list(map(str, dataset.classes)), labels, sizes, modes, digests, thumbnails, problems, files)


class _Looks:
    """A data set of what its images show, made in the worker that reads them."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.labels = getattr(dataset, "labels", None)
        self.path = getattr(dataset, "path", None)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Look:
        try:
            item, label = self.dataset[index]
            image = _image(item)
            size, mode = item.size if hasattr(item, "getbands") else image.size, getattr(item, "mode", image.mode)
            if self.path is not None:  # the data set gives the image as networks see it, the file tells more
                with Image.open(self.path(index)) as file:
                    size, mode = file.size, file.mode
        except Exception as error:  # whatever a data set raises for an item that is damaged, the others are looked at
            label = -1 if self.labels is None else int(self.labels[index])
            text = " ".join(str(error).split()) or type(error).__name__
            return Look(label, (0, 0), "", bytes(16), np.zeros((SIDE, SIDE), np.uint8), text)
        pixels = np.ascontiguousarray(image)
        digest = blake2b(pixels.data, digest_size=16, salt=repr(pixels.shape).encode()[:16]).digest()
        thumbnail = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        return Look(int(label), size, mode, digest, thumbnail)


def _image(item: Any) -> Image.Image:
    """Return an item's image as a PIL image, upright, of mode L or RGB.

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
