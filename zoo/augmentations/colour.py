"""Augmentations that change colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torchvision.transforms import v2


def colour_jitter(
    spec: InputSpec, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1
) -> v2.Transform:
    """Change brightness, contrast, saturation and hue, in random order.

    Args:
        spec: of the data; saturation and hue do nothing to grey images.
        brightness: the factor is between 1 minus this and 1 plus this, and not below 0.
        contrast: the same for the contrast.
        saturation: the same for the saturation.
        hue: largest turn of the colour circle to either side, as a share of the circle, 0 to 0.5.
    """
    from torchvision.transforms import v2

    return v2.ColorJitter(brightness, contrast, saturation, hue)


def grayscale(spec: InputSpec, p: float = 0.1) -> v2.Transform:
    """Take the colours out of images.

    Args:
        spec: of the data.
        p: share of the images, 0 to 1.
    """
    from torchvision.transforms import v2

    return v2.RandomGrayscale(p)
