"""Image files and PIL images become uint8 pixels by the rules of ``zoo.runtime``, which applications run as well."""

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

#: File name endings that a folder of images is searched for.
SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"]
)


@contextmanager
def as_user_errors() -> Iterator[None]:
    """Raise the errors of ``zoo.runtime``, which knows nothing of zoo, as those that every command prints.

    Raises:
        ImageError: for the runtime's.
        UserError: for a ModelError.
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
        path: the file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 array ``(height, width, channels)``, values 0 to 255.

    Raises:
        ImageError: as ``zoo.runtime.decode``.
    """
    with as_user_errors():
        return runtime.decode(path, channels)


def open_image(path: str | Path, channels: Literal[1, 3] = 3) -> Image.Image:
    """Return one image file as a PIL image, upright, of mode L (one channel) or RGB; ImageError as ``decode``."""
    with as_user_errors():
        return runtime.open_image(path, channels)


def to_mode(image: Image.Image, channels: Literal[1, 3]) -> Image.Image:
    """Return a PIL image upright and in mode L or RGB; ImageError as ``zoo.runtime.to_mode``."""
    with as_user_errors():
        return runtime.to_mode(image, channels)


def find_images(parent: str | Path) -> Iterator[str]:
    """Yield the image files under a folder, at any depth; hidden files and folders, and other files, are left out.

    Links are followed, but no folder is entered twice.
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
    """Yield the image files that paths name, those of a folder in alphabetical order.

    Raises:
        ImageError: a path does not exist, or a folder holds no image.
    """
    for path in paths:
        if not os.path.isdir(path):
            if not os.path.exists(path):
                raise ImageError(f"{path}: no such file or folder")
            yield path
            continue
        found = sorted(find_images(path))
        if not found:
            raise ImageError(f"{path}: no image in this folder (looked for {', '.join(sorted(SUFFIXES))})")
        yield from found
