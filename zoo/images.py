"""Image files become uint8 arrays, the same way in training, prediction and the exported file's runtime.

| file                       | what the network sees                                            |
|----------------------------|------------------------------------------------------------------|
| EXIF orientation           | the picture upright                                              |
| palette, CMYK, YCbCr, LAB  | converted to RGB                                                 |
| alpha (LA, RGBA, palette)  | laid over white                                                  |
| 16-bit grey                | divided by 257, so that 65535 becomes 255                        |
| animation                  | its first frame                                                  |
| grey where RGB is expected | three equal channels; RGB where grey is expected: luma (BT.601)  |
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.errors import ImageError

#: More pixels than this are refused from the header alone, before anything is decompressed (268 MB as RGB).
MAX_PIXELS = 89_478_485

#: File name endings that a folder of images is searched for.
SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"]
)


def decode(path: str | Path, channels: Literal[1, 3] = 3) -> np.ndarray:
    """Read one image file.

    Args:
        path: the file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 array ``(height, width, channels)``, values 0 to 255.

    Raises:
        ImageError: the file is missing, empty, no image, truncated, of an unknown kind or has over MAX_PIXELS pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF and size warnings: both are decided on below
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ImageError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read")
                array = np.asarray(to_mode(image, channels))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: more pixels than the {MAX_PIXELS:,} that are read") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, MemoryError) as error:
        # Pillow's decoders raise any of these for damaged files, and most texts lack the file's name.
        size = Path(path).stat().st_size if Path(path).is_file() else 0
        reason = "not an image Pillow can read" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ImageError(f"{path}: not a readable image ({size} bytes): {reason}; replace or remove it") from error
    return array.reshape(*array.shape[:2], channels)


def to_mode(image: Image.Image, channels: Literal[1, 3]) -> Image.Image:
    """Return a PIL image upright and in mode L or RGB, by the table above.

    Raises:
        ImageError: the mode is one with no agreed meaning as a picture (32-bit float).
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise ImageError("32-bit float pixels have no agreed range; convert the image to 8 or 16 bits")
    if upright.mode.startswith("I"):
        upright = Image.fromarray((np.asarray(upright).clip(0, 65535) // 257).astype(np.uint8))
    if "transparency" in upright.info or upright.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright)
    if channels == 1:
        return upright.convert("L")
    return upright.convert("RGB")


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
