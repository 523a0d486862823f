"""What the images of a split are called in tables, and their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.data import inspection
from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.split_file import relative_paths


def item_names(data: ImageData, split: Split) -> list[str]:
    """Return the name of each image of a split, in the order its loader serves.

    A file is called by its path from ``files_root``, with ``/``, or by its whole path if it lies elsewhere; an image
    without a file by the data set's own split and the number there: ``test 17``.

    Raises:
        NoSplitError, DownloadError, UserError: as ``ImageData.source``.
    """
    dataset, items = data.splits.items(split)
    numbers = range(len(dataset)) if items is None else items.tolist()
    if not hasattr(dataset, "path"):
        return [f"{split if items is None else 'train'} {number}" for number in numbers]
    paths = relative_paths(dataset, data.root)
    return [paths[number] for number in numbers]


def item_labels(data: ImageData, split: Split) -> np.ndarray:
    """Return the label of each image of a split, int64 ``(count,)``, in the order its loader serves.

    Raises:
        NoSplitError, ImageError, DownloadError, UserError: as ``ImageData.source``.
    """
    dataset, items = data.splits.items(split)
    if items is None:
        return inspection.labels(dataset, data.splits.place(dataset), data.source(split))
    chosen: np.ndarray = data.splits.labels[items]
    return chosen


def files_root(data: ImageData) -> Path:
    """Return the folder from which the files of a data set are named."""
    return Path(getattr(data.splits.any_opened(), "files_root", data.root))
