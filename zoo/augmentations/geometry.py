"""Augmentations that turn and distort images; pixels from outside of the image are black."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torchvision.transforms import v2


def rotate(spec: InputSpec, degrees: float = 15) -> v2.Transform:
    """Turn images around their centre.

    Args:
        spec: of the data.
        degrees: largest angle to either side, 0 to 180.
    """
    from torchvision.transforms import v2

    return v2.RandomRotation(degrees, interpolation=v2.InterpolationMode.BILINEAR)


def affine(
    spec: InputSpec,
    degrees: float = 10,
    translate: float = 0.1,
    scale: tuple[float, float] = (0.9, 1.1),
    shear: float = 5,
) -> v2.Transform:
    """Turn, move, scale and shear images.

    Args:
        spec: of the data.
        degrees: largest angle to either side, 0 to 180.
        translate: largest movement along each side, as a share of it, 0 to 1.
        scale: smallest and largest factor of the size, above 0.
        shear: largest angle of the shear to either side, in degrees.
    """
    from torchvision.transforms import v2

    return v2.RandomAffine(
        degrees, (translate, translate), tuple(scale), shear, interpolation=v2.InterpolationMode.BILINEAR
    )


def perspective(spec: InputSpec, distortion: float = 0.3, p: float = 0.5) -> v2.Transform:
    """Show images as if they were seen from the side.

    Args:
        spec: of the data.
        distortion: how far corners move at most, as a share of half the side, 0 to 1.
        p: share of the images, 0 to 1.
    """
    from torchvision.transforms import v2

    return v2.RandomPerspective(distortion, p, interpolation=v2.InterpolationMode.BILINEAR)
