"""Image files and PIL images become uint8 pixels by the rules of ``zoo.runtime``, which applications use too."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from zoo import runtime
from zoo.core.errors import ImageError, UserError

#: Endings of the files that are images, in any case.
SUFFIXES = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".heic", ".heif", ".hif", ".avif", ".pbm", ".pgm", ".pnm", ".ppm"),
    ]
)

#: The ending of files of numpy, which are images where they are asked for: other arrays often lie beside images.
ARRAY_SUFFIX = ".npy"

#: EXIF orientations from this one on exchange rows and columns.
FIRST_ON_ITS_SIDE = 5

#: Where the shell's pipes are, such as those of ``zoo predict RUN <(curl ...)``: their other end is open.
OPEN_FILES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")

#: Stands for any number of channels.
ANY = 0


def suffixes(channels: int) -> frozenset[str]:
    """Return the endings of files that are images of so many channels: of 2, 4, more or ANY also ``.npy``."""
    return SUFFIXES if channels in (1, 3) else SUFFIXES | {ARRAY_SUFFIX}


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


def decode(path: str | Path, channels: int = 3, white_level: int = runtime.WHITE_LEVEL) -> np.ndarray:
    """Read one image file.

    Args:
        path: of the file.
        channels: 1 for grey, 3 for RGB; of other numbers the file must have as many.
        white_level: the level that becomes 255 where the file has 16 bits.

    Returns:
        uint8 ``(height, width, channels)``, values 0 to 255.

    Raises:
        ImageError: as ``zoo.runtime.decode``.
    """
    with as_user_errors():
        return runtime.decode(path, channels, white_level)


def open_image(path: str | Path, channels: int = 3, white_level: int = runtime.WHITE_LEVEL) -> Image.Image:
    """Read one image file as an upright PIL image of mode L (one channel) or RGB (3); otherwise as ``decode``."""
    with as_user_errors():
        return runtime.open_image(path, channels, white_level)


def to_mode(image: Image.Image, channels: int, white_level: int = runtime.WHITE_LEVEL) -> Image.Image:
    """Return a PIL image upright and in mode L or RGB; errors as ``zoo.runtime.to_mode``."""
    with as_user_errors():
        return runtime.to_mode(image, channels, white_level)


def from_pillow(image: Image.Image, channels: int, white_level: int = runtime.WHITE_LEVEL) -> np.ndarray:
    """Return a PIL image's pixels, uint8 ``(height, width, channels)``; errors as ``zoo.runtime.from_pillow``."""
    with as_user_errors():
        return runtime.from_pillow(image, channels, white_level)


def image_size(path: str | Path, channels: int = 3) -> tuple[int, int]:
    """Return height and width of an image file, upright; arguments and errors as ``decode``."""
    if channels not in (1, 3):
        height, width = decode(path, channels).shape[:2]
        return height, width
    try:
        with Image.open(path, formats=runtime.formats()) as image:
            return upright_size(image)
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: more pixels than the {runtime.MAX_PIXELS:,} that are read") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: {error}") from error


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return height and width of a PIL image, upright; its pixels are not read."""
    if isinstance(image, TiffImageFile):  # whose size is upright
        return image.height, image.width
    # The method of PNG files would read them, to look for an orientation behind them.
    turned = Image.Image.getexif(image).get(runtime.ORIENTATION, 1) >= FIRST_ON_ITS_SIDE
    return (image.width, image.height) if turned else (image.height, image.width)


def viewable(pixels: np.ndarray) -> np.ndarray:
    """Return the channels of ``(..., channels)`` that a page shows: of two the first, of more the first three."""
    count = pixels.shape[-1]
    return pixels if count in (1, 3) else pixels[..., : 1 if count < 3 else 3]


def find_images(parent: str | Path, channels: int = 3) -> Iterator[str]:
    """Yield the image files in a folder and its subfolders, without hidden files and hidden folders.

    Links are followed, but no folder is read twice; pipes, sockets and devices are left out. ``channels`` decides which
    endings are those of images.

    Raises:
        ImageError: a folder cannot be read.
    """
    endings, seen = suffixes(channels), set[str]()
    places = [os.fspath(parent)]
    while places:
        path = places.pop()
        if (real := os.path.realpath(path)) in seen or not os.path.isdir(path):
            continue
        seen.add(real)
        visible = (entry for entry in entries_of(path) if not entry.name.startswith("."))
        shown = sorted(visible, key=attrgetter("name"))
        folders = [entry.path for entry in shown if is_folder(entry)]
        places += reversed(folders)
        for entry in shown:
            if os.path.splitext(entry.name)[1].lower() in endings and not is_folder(entry) and not is_special(entry):
                yield entry.path


def entries_of(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return the files and folders in a folder; ImageError where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise ImageError(
            f"{folder}: this folder cannot be read: {error.strerror}; make it readable, or move it away"
        ) from error


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_special(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a pipe, socket or device, or a link to one: reading it may never end."""
    return not is_folder(entry) and not os.path.isfile(entry.path) and os.path.exists(entry.path)


def named_images(paths: Sequence[str], channels: int = 3) -> Iterator[str]:
    """Yield files as they are and, for each folder, its images in alphabetical order; channels as ``find_images``.

    Where a folder has no other images, its ``.npy`` files are its images.

    Raises:
        ImageError: a path does not exist, is a named pipe, a socket or a device, or a folder holds no image.
    """
    for path in paths:
        if not os.path.isdir(path):
            if not os.path.exists(path):
                raise ImageError(f"{path}: no such file or folder")
            if not os.path.isfile(path) and not path.startswith(OPEN_FILES):
                raise ImageError(f"{path}: a pipe, socket or device; allowed are files and folders")
            yield path
            continue
        images = sorted(find_images(path, channels)) or sorted(find_images(path, ANY))
        if not images:
            raise ImageError(f"{path}: no image in this folder (looked for {', '.join(sorted(suffixes(channels)))})")
        yield from images
