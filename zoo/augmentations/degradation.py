"""Augmentations that make images worse: out of focus, noisy, compressed, covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torchvision.transforms import v2

#: Pixels of the side of the blur's window: two of the largest usual deviation to either side.
WINDOW = 9

#: The level of what covers an image.
GREY = 128


def blur(spec: InputSpec, sigma: tuple[float, float] = (0.1, 2.0), p: float = 0.5) -> v2.Transform:
    """Blur images by a Gaussian filter of 9x9 pixels.

    Args:
        spec: of the data.
        sigma: smallest and largest standard deviation of the filter, in pixels, above 0.
        p: share of the images, 0 to 1.
    """
    from torchvision.transforms import v2

    return v2.RandomApply([v2.GaussianBlur(WINDOW, tuple(sigma))], p)


def noise(spec: InputSpec, sigma: float = 0.05) -> v2.Transform:
    """Add Gaussian noise to each pixel.

    Args:
        spec: of the data.
        sigma: standard deviation of the noise, on the scale where white is 1; 0 or more.
    """
    import torch
    from torchvision.transforms import v2

    levels = v2.ToDtype(torch.uint8, scale=True)
    return v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.GaussianNoise(0.0, sigma), levels])


def jpeg(spec: InputSpec, quality: tuple[int, int] = (30, 95)) -> v2.Transform:
    """Compress images as JPEG files do.

    Args:
        spec: of the data.
        quality: lowest and highest quality, 1 to 100.
    """
    from torchvision.transforms import v2

    return v2.JPEG(tuple(quality))


def erasing(spec: InputSpec, p: float = 0.5, scale: tuple[float, float] = (0.02, 0.33)) -> v2.Transform:
    """Cover a rectangle of the image with grey.

    Z. Zhong et al., "Random Erasing Data Augmentation" (2017), https://arxiv.org/abs/1708.04896.

    Args:
        spec: of the data.
        p: share of the images, 0 to 1.
        scale: smallest and largest area of the rectangle, as shares of the image's.
    """
    from torchvision.transforms import v2

    return v2.Compose([v2.PILToTensor(), v2.RandomErasing(p, tuple(scale), value=GREY)])
