"""Augmentations that turn and distort images; pixels from outside of the image are black."""

from __future__ import annotations

from torchvision.transforms import v2

from zoo.core.spec import InputSpec

BILINEAR = v2.InterpolationMode.BILINEAR


def rotate(spec: InputSpec, degrees: float = 15) -> v2.Transform:
    """Turn images around their centre.

    Args:
        spec: of the data.
        degrees: largest angle to either side, 0 to 180.
    """
    return v2.RandomRotation(degrees, interpolation=BILINEAR)


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
    return v2.RandomAffine(degrees, (translate, translate), tuple(scale), shear, interpolation=BILINEAR)


def perspective(spec: InputSpec, distortion: float = 0.3, p: float = 0.5) -> v2.Transform:
    """Show images as if they were seen from the side.

    Args:
        spec: of the data.
        distortion: how far corners move at most, as a share of half the side, 0 to 1.
        p: share of the images, 0 to 1.
    """
    return v2.RandomPerspective(distortion, p, interpolation=BILINEAR)
