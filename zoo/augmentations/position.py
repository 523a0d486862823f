"""Augmentations that choose the part of an image that the network sees: flips and crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.spec import InputSpec
from zoo.data.augmentation import Flip, PaddedCrop

if TYPE_CHECKING:
    from torchvision.transforms import v2


def flip(spec: InputSpec) -> Flip:
    """Mirror half of the images left to right in one epoch, and the other half in the next.

    Networks learn faster from this than from flips that each epoch draws anew (K. Jordan, "94% on CIFAR-10 in 3.29
    Seconds on a Single GPU", 2024, https://arxiv.org/abs/2404.00498, section 3.6).

    Args:
        spec: of the data.
    """
    return Flip()


def vflip(spec: InputSpec, p: float = 0.5) -> v2.Transform:
    """Turn images upside down, as suits pictures from above: satellites, microscopes.

    Args:
        spec: of the data.
        p: share of the images, 0 to 1.
    """
    from torchvision.transforms import v2

    return v2.RandomVerticalFlip(p)


def crop(spec: InputSpec, padding: float = 1 / 8) -> PaddedCrop:
    """Add a border of zeros, and cut the old size out at random, as is usual for small images.

    Args:
        spec: of the data.
        padding: pixels of the border at each end of a side, as a share of the side; 1/8 is 4 pixels of 32.

    Raises:
        ValueError: the padding is not in (0, 1].
    """
    return PaddedCrop(padding)


def random_resized_crop(
    spec: InputSpec, scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)
) -> v2.Transform:
    """Cut a part of random size and shape out of the whole image, and scale it to the size that the network sees.

    It comes first, because it cuts from the image as it is stored. C. Szegedy et al., "Going Deeper with Convolutions"
    (2014), https://arxiv.org/abs/1409.4842, section 6.

    Args:
        spec: of the data: size and interpolation.
        scale: smallest and largest area of the part, as shares of the image's.
        ratio: smallest and largest width of the part, as multiples of its height.

    Raises:
        ValueError: a value is not allowed.
    """
    from torchvision.transforms import v2

    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale is {list(scale)}; allowed are two shares above 0 and up to 1, the smaller first")
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {list(ratio)}; allowed are two numbers above 0, the smaller first")
    size = (spec.height, spec.width)
    return v2.RandomResizedCrop(size, tuple(scale), tuple(ratio), interpolation=spec.resize.interpolation)
