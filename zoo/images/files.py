"""Image files and PIL images become uint8 pixels by the rules of ``zoo.runtime``, which applications use too."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from zoo import runtime
from zoo.core.errors import ImageError, UserError

#: Endings of the files that are images.
SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"]
)


@contextmanager
def as_user_errors() -> Iterator[None]:
    """Turn the errors of ``zoo.runtime``, which imports nothing of zoo, into those that commands print.

    Raises:
        ImageError: for ``zoo.runtime.ImageError``.
        UserError: for ``zoo.runtime.ModelError``.
    """
    try:
        yield
    except runtime.ImageError as error:
        raise ImageError(str(error)) from error
    except runtime.ModelError as error:
        raise UserError(str(error)) from error


def decode(path: str | Path, channels: Literal[1, 3] = 3) -> np.ndarray:
    """Read one image file.

    Args:
        path: of the file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 ``(height, width, channels)``, values 0 to 255.

    Raises:
        ImageError: as ``zoo.runtime.decode``.
    """
    with as_user_errors():
        return runtime.decode(path, channels)


def open_image(path: str | Path, channels: Literal[1, 3] = 3) -> Image.Image:
    """Read one image file as an upright PIL image of mode L (one channel) or RGB; errors as ``decode``."""
    with as_user_errors():
        return runtime.open_image(path, channels)


def to_mode(image: Image.Image, channels: Literal[1, 3]) -> Image.Image:
    """Return a PIL image upright and in mode L or RGB; errors as ``zoo.runtime.to_mode``."""
    with as_user_errors():
        return runtime.to_mode(image, channels)


def find_images(parent: str | Path) -> Iterator[str]:
    """Yield the image files in a folder and its subfolders, without hidden files and hidden folders.

    Links are followed, but no folder is read twice.
    """
    seen = set()
    for path, folders, names in os.walk(parent, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield os.path.join(path, name)


def named_images(paths: Sequence[str]) -> Iterator[str]:
    """Yield files as they are and, for each folder, its images in alphabetical order.

    Raises:
        ImageError: a path does not exist, or a folder holds no image.
    """
    for path in paths:
        if not os.path.isdir(path):
            if not os.path.exists(path):
                raise ImageError(f"{path}: no such file or folder")
            yield path
            continue
        images = sorted(find_images(path))
        if not images:
            raise ImageError(f"{path}: no image in this folder (looked for {', '.join(sorted(SUFFIXES))})")
        yield from images
