"""Augmentations that draw one or several changes out of a list: geometry, colours, contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torchvision.transforms import v2


def randaugment(spec: InputSpec, operations: int = 2, magnitude: int = 9) -> v2.Transform:
    """Apply several changes, drawn from 14, one after another, all of one strength.

    E. Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space" (2019),
    https://arxiv.org/abs/1909.13719.

    Args:
        spec: of the data.
        operations: how many changes an image gets.
        magnitude: their strength, 0 to 30.

    Raises:
        ValueError: a value is not allowed.
    """
    from torchvision.transforms import v2

    if operations < 1 or not 0 <= magnitude <= 30:
        raise ValueError(f"{operations} operations of magnitude {magnitude}; allowed are 1 or more, of 0 to 30")
    return v2.RandAugment(operations, magnitude)


def trivialaugment(spec: InputSpec) -> v2.Transform:
    """Apply one change, drawn from 14, of random strength.

    S. Müller, F. Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation" (2021),
    https://arxiv.org/abs/2103.10158.

    Args:
        spec: of the data.
    """
    from torchvision.transforms import v2

    return v2.TrivialAugmentWide()


def augmix(spec: InputSpec, severity: int = 3, chains: int = 3) -> v2.Transform:
    """Blend an image with several versions of itself, each changed by a chain of one to three operations.

    D. Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty" (2019),
    https://arxiv.org/abs/1912.02781.

    Args:
        spec: of the data.
        severity: strength of the operations, 1 to 10.
        chains: number of versions.
    """
    from torchvision.transforms import v2

    return v2.AugMix(severity, chains)
