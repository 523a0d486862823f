"""Read every image of every split once: can it be decoded, and what are its size, mode, digest and thumbnail.

    data set ──► workers: read, digest, shrink ──► ImageRecord of each image ──► SplitScan

A record takes about 1.5 kB of memory, whatever the size of the image.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader

from zoo.core import registry
from zoo.core.errors import ImageError, NoSplitError, UserError, ZooError, text_of
from zoo.data.checks.duplicates import SIDE
from zoo.data.checks.notes import notes
from zoo.data.contract import (
    BrokenDatasetError,
    ItemRaisesError,
    Place,
    Split,
    as_tensor,
    read_item,
    require_attributes,
    require_dataset,
    require_listed,
)
from zoo.data.inspection import channels, white_level
from zoo.data.sources import leave_signals_to_main
from zoo.data.split_options import SplitOptions
from zoo.data.splits import SPLITS, DatasetSplits, Parts
from zoo.data.worker_deaths import named_deaths
from zoo.images.files import to_mode, viewable
from zoo.runtime import WHITE_LEVEL, to_8_bits

#: Records that a worker returns at a time.
CHUNK = 64


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """One image of a data set; size, mode, digest and thumbnail are empty if it cannot be read.

    Args:
        split: train, val or test.
        index: of the item in its split.
        label: of its class; -1 if the image cannot be read and the data set has no list of labels.
        class_name: name of its class; None if the label is no index of a class.
        file: path of the image; None if the data set has no paths.
        problem: why it cannot be read, or empty.
        size: width and height of the file, in pixels.
        mode: of the file, as Pillow calls it.
        digest: 16 bytes that are equal only for equal pixels.
        thumbnail: uint8 ``(SIDE, SIDE)``, grey.
    """

    split: str
    index: int
    label: int
    class_name: str | None
    file: str | None
    problem: str = ""
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    digest: bytes = b""
    thumbnail: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint8))


@dataclass(frozen=True)
class SplitScan:
    """The images of a split, in its order, its classes, in the order of their labels, and remarks, a line each."""

    split: str
    classes: list[str]
    records: list[ImageRecord]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> list[int]:
        """Number of images of each class."""
        counts = Counter(record.label for record in self.records)
        return [counts[label] for label in range(len(self.classes))]


def scan_dataset(
    name: str, root: Path, options: Mapping[str, Any], workers: int, rule: SplitOptions
) -> tuple[dict[str, SplitScan], dict[str, str]]:
    """Read every image of a data set.

    Args:
        name: registered name of the data set.
        root: the data root.
        options: of the data set.
        workers: processes that read images; a data set in memory is read in this process.
        rule: how splits are drawn that a data set of files does not have.

    Returns:
        Scans by split, and for each missing split why it is missing.

    Raises:
        UserError: the data set cannot be opened or breaks its contract, or splits cannot be drawn as the rule says.
        DownloadError: files are missing and cannot be downloaded.
    """
    opened, missing = _opened(name, root, options)
    if not opened:
        raise UserError(f"data set '{name}' has no split at all: {'; '.join(map(str, missing.values()))}")
    parts, remarks = _parts(DatasetSplits(name, root, rule, partial(_own, opened, missing)), opened)
    first = next(iter(opened.values()))
    white = WHITE_LEVEL
    if hasattr(first, "white_level"):
        place = Place(name, next(iter(opened)), len(list(first.classes)))
        white = white_level(first, place, channels(first, place), workers, lambda: parts.get("train"))
    scans: dict[Split, SplitScan] = {}
    for split, dataset in opened.items():
        if hasattr(dataset, "white_level"):
            dataset.white_level = white
        scans[split] = scan = _scan_split(Place(name, split, len(list(dataset.classes))), dataset, workers)
        largest = max((record.label for record in scan.records), default=-1)
        if largest >= len(scan.classes):
            raise UserError(
                f"{registry.titled('dataset', name)} breaks the contract: the labels of its {split} split must be "
                f"0 to {len(scan.classes) - 1}, received {largest}"
            )
    if "train" in scans:
        scans["train"] = replace(scans["train"], notes=(*scans["train"].notes, *remarks))
        scans |= _drawn(scans["train"], parts)
    reasons: dict[str, str] = {split: str(error) for split, error in missing.items() if split not in scans}
    return {split: scans[split] for split in SPLITS if split in scans}, reasons


def _opened(name: str, root: Path, options: Mapping[str, Any]) -> tuple[dict[Split, Any], dict[Split, NoSplitError]]:
    """Return a data set's own splits with their faults left in, and the errors of those that it does not have."""
    opened: dict[Split, Any] = {}
    missing: dict[Split, NoSplitError] = {}
    for split in SPLITS:
        try:
            opened[split] = registry.call("dataset", name, (root, split), options, variant="as_found")
        except NoSplitError as error:
            missing[split] = error
            continue
        require_dataset(name, split, opened[split])
        if not hasattr(registry.load("dataset", name), "as_found"):
            require_listed(name, split, opened[split])
            require_attributes(name, split, opened[split])
    return opened, missing


def _own(opened: Mapping[Split, Any], missing: Mapping[Split, NoSplitError], split: Split) -> Any:
    if split in missing:
        raise missing[split]
    return opened[split]


def _parts(splits: DatasetSplits, opened: Mapping[Split, Any]) -> tuple[Parts, list[str]]:
    """Return the parts of ``train`` that a training would draw, and remarks; no part where it would stop.

    Of arrays, which have no files, nothing is drawn by default.
    """
    train, default = opened.get("train"), splits.rule == SplitOptions()
    lacks_val = "val" not in opened and hasattr(train, "path")
    if train is None or (default and not lacks_val and not getattr(train, "unsplit", False)):
        return {}, []
    try:
        return splits.parts, splits.notes
    except UserError as error:
        if not default:
            raise
        return {}, [f"zoo fit would stop: {error}"]


def _drawn(scan: SplitScan, parts: Parts) -> dict[Split, SplitScan]:
    """Return the scans of the splits that are drawn from all images."""
    return {
        split: SplitScan(
            split,
            scan.classes,
            [replace(scan.records[item], split=split, index=index) for index, item in enumerate(part.tolist())],
            scan.notes if split == "train" else (),
        )
        for split, part in parts.items()
    }


def _scan_split(place: Place, dataset: Any, workers: int) -> SplitScan:
    records, split = _Records(place, dataset), place.split
    in_memory = isinstance(getattr(dataset, "images", None), np.ndarray)
    loader: DataLoader[Any] = DataLoader(
        records,  # type: ignore[arg-type]  # map-style by its two methods, not a subclass of Dataset
        batch_size=CHUNK,
        num_workers=0 if in_memory else min(workers, len(records) // CHUNK + 1),
        collate_fn=list,
        worker_init_fn=leave_signals_to_main,
    )
    chunks = track(
        named_deaths(loader, place.name),
        split,
        len(loader),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    scanned: list[ImageRecord] = []
    for chunk in chunks:
        for record in chunk:
            if isinstance(record, ZooError):
                raise record
            scanned.append(record)
    sizes = [record.size for record in scanned if not record.problem]
    return SplitScan(split, records.classes, scanned, notes(dataset, sizes, place) if split == "train" else ())


class _Records:
    """A map-style data set of ImageRecords, so that workers make them; of a broken contract it gives the error."""

    def __init__(self, place: Place, dataset: Any) -> None:
        self.place, self.split, self.dataset = place, place.split, dataset
        self.classes = list(map(str, dataset.classes))
        self.labels = getattr(dataset, "labels", None)
        self.path = getattr(dataset, "path", None)
        self.depth = self._depth()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> ImageRecord | ZooError:
        file = None if self.path is None else str(self.path(index))
        try:
            item, label = read_item(self.dataset, index, self.place)
            if not hasattr(item, "getbands") and self.depth is not None:
                as_tensor(item, self.depth)
            image = _to_image(item)
            size, mode = item.size if hasattr(item, "getbands") else image.size, getattr(item, "mode", image.mode)
            if file is not None and hasattr(
                item, "getbands"
            ):  # the data set has converted the image; its file has the original size and mode
                with Image.open(file) as original:
                    size, mode = original.size, original.mode
        except BrokenDatasetError as error:
            if not isinstance(error, ItemRaisesError):
                return error
            return self._unreadable(index, file, error.__cause__ or error)
        except Exception as error:  # a data set may raise any exception for a damaged item; the scan goes on
            return self._unreadable(index, file, error)
        pixels = np.ascontiguousarray(image if hasattr(item, "getbands") else item)
        digest = blake2b(pixels.data, digest_size=16, salt=repr(pixels.shape).encode()[:16]).digest()
        thumbnail = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        name = self._class_name(label)
        return ImageRecord(self.split, index, int(label), name, file, "", size, mode, digest, thumbnail)

    def _depth(self) -> int | None:
        """Return the channels of the data set's arrays; None where its first item does not tell."""
        try:
            return channels(self.dataset, self.place) if len(self.dataset) else None
        except (ImageError, ItemRaisesError):  # which the scan names
            return None

    def _unreadable(self, index: int, file: str | None, error: BaseException) -> ImageRecord:
        label = -1 if self.labels is None else int(self.labels[index])
        return ImageRecord(self.split, index, label, self._class_name(label), file, " ".join(text_of(error).split()))

    def _class_name(self, label: int) -> str | None:
        return self.classes[label] if 0 <= label < len(self.classes) else None


def _to_image(item: Any) -> Image.Image:
    """Convert an item's image to an upright PIL image of mode L or RGB.

    Raises:
        TypeError: it is neither a PIL image nor a uint8 or uint16 array.
        ImageError: its mode has no agreed meaning as a picture.
    """
    if hasattr(item, "getbands"):
        return to_mode(item, 1 if item.mode in ("1", "L") or item.mode.startswith("I") else 3)
    array = np.asarray(item)
    if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3):
        raise TypeError(
            f"an image must be a PIL image or uint8 (height, width, channels), received {array.dtype} "
            f"{tuple(array.shape)}"
        )
    pixels = viewable(to_8_bits(np.atleast_3d(array)))
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
