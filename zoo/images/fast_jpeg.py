"""JPEG files for training: read in three fifths of the time, with some pixels a level off.

    file ──► decoded by libjpeg-turbo, at half the size or less where that is enough ──► upright
         ──► centre that the network sees ──► scaled by torch, in whole levels ──► uint8 of the network's size

Evaluation and export use exactly the pixels of ``preprocess.to_uint8``. Here the centre begins at a whole pixel,
weights are rounded more, and a photograph of more than twice the size needed is decoded smaller, which averages its
pixels. Time for an image of 500x375 at 224 pixels, on one core: 2.0 ms, 1.5 of it for decoding; Pillow and ``to_uint8``
take 3.3 ms, torchvision's ImageFolder and transforms 4.4 ms.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import Tensor

from zoo.core.errors import ImageError
from zoo.core.spec import InputSpec
from zoo.images.files import to_mode
from zoo.images.preprocess import first_pixels, scaled_size
from zoo.runtime import MAX_PIXELS

#: A decoded photograph is at least so many times as large as what it is scaled to.
OVERSIZE = 2

#: By channels, simplejpeg's names of the colours in a file and of those it is decoded to.
COLOURS = {1: ("Gray", "GRAY"), 3: ("YCbCr", "RGB")}

#: EXIF data begins within so many bytes of a file.
HEADER_BYTES = 2**16


def read_for_training(path: str, spec: InputSpec) -> Tensor | None:
    """Return the pixels of a photograph, nearly those of evaluation.

    Args:
        path: of the file.
        spec: size and resize rule.

    Returns:
        uint8 ``(spec.height, spec.width, spec.channels)``; None if the file is damaged or no JPEG of the spec's
        colours: ``open_image`` reads it then, or names the fault.
    """
    pixels = _decoded(path, spec, lambda height, width: scaled_size(height, width, spec))
    return None if pixels is None else _scaled(pixels.permute(2, 0, 1), spec).permute(1, 2, 0)


def read_whole_for_training(path: str, spec: InputSpec) -> Tensor | None:
    """Return the pixels of a whole photograph, of OVERSIZE times the network's size or more where it is that large.

    Args:
        path: of the file.
        spec: size.

    Returns:
        uint8 ``(height, width, spec.channels)``; None as ``read_for_training``.
    """
    return _decoded(path, spec, lambda height, width: (spec.height, spec.width))


def _decoded(path: str, spec: InputSpec, size: Callable[[int, int], tuple[int, int]]) -> Tensor | None:
    """Return the upright pixels of a JPEG file, uint8 ``(height, width, channels)``; None where it is no good one.

    Args:
        path: of the file.
        spec: its channels.
        size: gives, for height and width of the file, the height and width of which it has OVERSIZE times as many
            pixels at least, where the file has so many.
    """
    if spec.channels not in COLOURS:
        return None
    stored, decoded = COLOURS[spec.channels]
    try:
        with open(path, "rb") as file:
            content = file.read()
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours != stored or height * width > MAX_PIXELS:
            return None
        rows, columns = size(height, width)
        least = {"min_height": OVERSIZE * rows, "min_width": OVERSIZE * columns}
        pixels = simplejpeg.decode_jpeg(content, decoded, min_factor=2, **least)
        if b"Exif\0\0" in content[:HEADER_BYTES]:
            pixels = _upright(content, pixels)
    except (OSError, ValueError, ImageError):
        return None
    return torch.from_numpy(pixels)


def _upright(content: bytes, pixels: np.ndarray) -> np.ndarray:
    """Turn uint8 ``(height, width, channels)`` by the file's EXIF data, with the function that evaluation uses."""
    channels = pixels.shape[2]
    image = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as header:
        image.info["exif"] = header.info.get("exif", b"")
    turned = np.array(to_mode(image, channels))
    return turned.reshape(*turned.shape[:2], channels)


def _scaled(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Return the centre of an image, uint8 ``(channels, height, width)``, at the spec's size."""
    scaled = scaled_size(pixels.shape[1], pixels.shape[2], spec)
    top, left = first_pixels(scaled, spec)
    rows, above, below = _part(pixels.shape[1], scaled[0], top, spec.height)
    columns, before, behind = _part(pixels.shape[2], scaled[1], left, spec.width)
    centre, size = pixels[None, :, rows, columns], (spec.height - above - below, spec.width - before - behind)
    if centre.shape[2:] != size:
        centre = torch.nn.functional.interpolate(centre, size, mode=spec.resize.interpolation, antialias=True)
    if size != (spec.height, spec.width):  # level 0 where the image does not reach
        centre = torch.nn.functional.pad(centre, (before, behind, above, below))
    return centre[0]


def _part(length: int, scaled: int, first: int, count: int) -> tuple[slice, int, int]:
    """Return which of a side's ``length`` pixels become ``count`` pixels, and how many of these they do not reach.

    Args:
        length: pixels of the side.
        scaled: pixels of the side after scaling.
        first: the first scaled pixel; before the side where it is negative.
        count: how many scaled pixels.

    Returns:
        The pixels of the side; how many of the ``count`` pixels lie before them, and how many behind them.
    """
    begin, end = max(first, 0), min(first + count, scaled)
    return slice(round(begin * length / scaled), round(end * length / scaled)), begin - first, first + count - end
