"""What images are called in tables: files by their paths, as they stand under the data root; others by their number."""

from __future__ import annotations

import os

from zoo.data.contract import Split
from zoo.data.image_data import ImageData


def item_names(data: ImageData, split: Split) -> list[str]:
    """Return the name of each image of a split, in the order its loader serves.

    A file is called by its path from the data root, with ``/``, or by its whole path if it lies elsewhere; an image
    without a file by split and number: ``test 17``.

    Raises:
        NoSplitError, ImageError, DownloadError, UserError: as ``ImageData.source``.
    """
    paths = data.paths(split)
    if paths is None:
        return [f"{split} {number}" for number in range(len(data.source(split)))]
    return [relative_name(path, data.root) for path in paths]


def relative_name(path: str, root: str | os.PathLike[str]) -> str:
    """Return a file's path from a folder, with ``/``; the whole path where the file is not in it."""
    whole = os.path.abspath(path)
    relative = os.path.relpath(whole, os.path.abspath(root))
    return (whole if relative.split(os.sep)[0] == os.pardir else relative).replace(os.sep, "/")
