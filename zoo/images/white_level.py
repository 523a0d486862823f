"""The white level of 16-bit image files: cameras and microscopes often fill 10, 12 or 14 of the 16 bits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from zoo import runtime
from zoo.core.spec import WHITE_LEVELS

#: Endings of files that can hold more than 8 bits; those of other files are not opened.
DEEP_SUFFIXES = frozenset(["apng", "npy", "pgm", "png", "pnm", "ppm", "tif", "tiff"])

#: Files that are opened at once: reading stops after the first of them that fills 16 bits.
AT_ONCE = 64


def white_level(levels: Iterable[int | None]) -> int:
    """Return the smallest white level that holds all levels; None counts as 8 bits, and without levels it is 65535."""
    highest = -1
    for level in levels:
        if level is not None:
            highest = max(highest, level)
        if highest > WHITE_LEVELS[-2]:
            break
    return WHITE_LEVELS[-1] if highest < 0 else next(white for white in WHITE_LEVELS if white >= min(highest, 65535))


def white_level_of_files(paths: Sequence[str], channels: int, threads: int) -> int:
    """Return the smallest white level that holds every pixel of image files.

    Args:
        paths: of the files.
        channels: that images are read with.
        threads: that read files.
    """
    chosen = [
        path for path in paths if path[-5:].rpartition(".")[2].lower() in DEEP_SUFFIXES and not _is_8_bit_png(path)
    ]
    if not chosen:
        return WHITE_LEVELS[-1]

    def levels() -> Iterable[int | None]:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for start in range(0, len(chosen), AT_ONCE):
                yield from pool.map(lambda path: highest_level(path, channels), chosen[start : start + AT_ONCE])

    return white_level(levels())


def _is_8_bit_png(path: str) -> bool:
    """Tell by the first bytes of a file, in the shortest time, because a folder may hold a million."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        head = os.read(descriptor, 25)
    finally:
        os.close(descriptor)
    return head.startswith(b"\x89PNG") and len(head) == 25 and head[24] < 16  # the bits of a level


def highest_level(path: str, channels: int) -> int | None:
    """Return the highest level of a file of 16 bits; None for one of 8 bits, and for one that cannot be read.

    Transparency does not count where images are read as grey or RGB.
    """
    try:
        with open(path, "rb") as content:
            if channels not in (1, 3):
                levels = runtime.read_levels(content, channels)
                return None if levels.dtype == np.uint8 else int(levels.max())
            with Image.open(content, formats=runtime.formats()) as image:
                if image.mode.startswith("I"):
                    return int(np.asarray(image).max())
                if not runtime.byte_order(image):
                    return None
                bands = len(image.getbands())
            return int(runtime.read_levels(content, bands)[..., :3].max())
    except Exception:  # whoever reads the image names the fault
        return None


def highest_of_item(image: object) -> int | None:
    """Return the highest level of a data set's image of 16 bits; None for one of 8 bits.

    Args:
        image: a PIL image, or an array ``(height, width)`` or ``(height, width, channels)``.
    """
    if hasattr(image, "getbands"):
        return int(np.asarray(image).max()) if str(getattr(image, "mode", "")).startswith("I") else None
    array = np.asarray(image)
    return int(array.max()) if array.dtype == np.uint16 else None
