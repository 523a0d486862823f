"""cnn: a plain convolutional network, written in one line.

The notation is that of D. Cireşan, U. Meier, J. Schmidhuber, "Multi-column Deep Neural Networks for Image
Classification" (2012), https://arxiv.org/abs/1202.2745, with two additions, ``s`` and ``D``:

    token   layer                                                        shape after it, from (c, h, w)
    32C3    convolution to 32 maps, 3x3, ReLU                            (32, h - 2, w - 2)
    32C3s   the same, zero padding keeps the size                        (32, h, w)
    MP2     max pooling 2x2                                              (c, h // 2, w // 2)
    AP2     average pooling 2x2                                          (c, h // 2, w // 2)
    64N     dense layer of 64 units, ReLU; the first one flattens        (64,)
    D.25    dropout with probability 0.25                                unchanged

The last layer, a dense one to the classes, is added and not written. Weights start as in Keras (``glorot``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

from torch import nn

from zoo.architectures.glorot import glorot_
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec

TOKENS = "32C3 (convolution), 32C3s (the same, keeping the size), MP2, AP2 (pooling), 64N (dense), D.25 (dropout)"


def cnn(spec: InputSpec, layout: str = "32C3-MP2-64C3-MP2-64C3-64N") -> nn.Module:
    """A plain convolutional network, its layers written in one line, such as 32C3-MP2-64C3-MP2-64C3-64N.

    Args:
        spec: classes, channels and size.
        layout: tokens joined by "-": 32C3 is a convolution to 32 maps of 3x3 with ReLU, 32C3s keeps the size by zero
            padding, MP2 and AP2 pool 2x2 squares, 64N is a dense layer of 64 units with ReLU, D.25 dropout of 0.25.
            A dense layer to the classes is added.

    Source: D. Cireşan, U. Meier, J. Schmidhuber, "Multi-column Deep Neural Networks for Image Classification" (2012),
    https://arxiv.org/abs/1202.2745

    Raises:
        UserError: a token is unknown, comes after a dense layer but needs pixels, or gets too few pixels.
    """
    modules: list[nn.Module] = []
    shape: tuple[int, ...] = (spec.channels, spec.height, spec.width)
    for number, token in enumerate(layout.split("-"), 1):
        try:
            layer, shape = _layer(token, shape)
        except _TooSmall as error:
            raise UserError(
                f"layout '{layout}': token {number}, '{token}', {error} at images of {spec.height}x{spec.width}; "
                f"the smallest side it can work at is {_smallest_side(layout)} (--data.image_size)"
            ) from error
        except ValueError as error:
            raise UserError(f"layout '{layout}': token {number}, '{token}', {error}") from error
        modules.append(layer)
    modules.append(nn.Sequential(*_flatten(shape), nn.Linear(prod(shape), len(spec.classes))))
    return glorot_(nn.Sequential(*modules))


class _TooSmall(Exception):
    """A layer gets fewer pixels than its kernel has."""


def _layer(token: str, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the layer of a token and the shape after it; a ValueError names the fault of the token."""
    if match := re.fullmatch(r"([1-9]\d*)C([1-9]\d*)(s?)", token):
        maps, kernel = int(match[1]), int(match[2])
        channels, height, width = _pixels(shape)
        convolution = [nn.Conv2d(channels, maps, kernel), nn.ReLU()]
        if match[3]:  # an even kernel gets the odd pixel right and below, as in TensorFlow
            padding = nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2) * 2)
            return nn.Sequential(padding, *convolution), (maps, height, width)
        _require_pixels(height - kernel + 1, width - kernel + 1)
        return nn.Sequential(*convolution), (maps, height - kernel + 1, width - kernel + 1)
    if match := re.fullmatch(r"(MP|AP)([1-9]\d*)", token):
        size = int(match[2])
        channels, height, width = _pixels(shape)
        _require_pixels(height // size, width // size)
        pool = nn.MaxPool2d(size) if match[1] == "MP" else nn.AvgPool2d(size)
        return pool, (channels, height // size, width // size)
    if match := re.fullmatch(r"([1-9]\d*)N", token):
        units = int(match[1])
        return nn.Sequential(*_flatten(shape), nn.Linear(prod(shape), units), nn.ReLU()), (units,)
    if re.fullmatch(r"D0?\.\d+", token):
        return nn.Dropout(float(token[1:])), shape
    raise ValueError(f"is none of {TOKENS}")


def _pixels(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) == 1:
        raise ValueError("stands behind a dense layer, where there are no pixels; move it before the first dense layer")
    return shape[0], shape[1], shape[2]


def _require_pixels(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise _TooSmall("gets too few pixels")


def _flatten(shape: tuple[int, ...]) -> Iterator[nn.Module]:
    if len(shape) > 1:
        yield nn.Flatten()


def _smallest_side(layout: str) -> int:
    """Return the side of the smallest square image of which every layer gets pixels."""
    side = 1
    for token in reversed(layout.split("-")):
        kernel = int(re.findall(r"\d+", token)[-1]) if token[0] != "D" and token[-1] != "N" else 1
        if "P" in token:
            side *= kernel
        elif "C" in token and not token.endswith("s"):
            side += kernel - 1
    return side
