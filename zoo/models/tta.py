"""Test-time augmentation: a network answers for an image and its mirror image, and the logits are averaged."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

#: How a trained network may see each image more than once.
TestTimeAugmentation = Literal["flip"]


class FlipAverage(nn.Module):
    """A network whose logits are the mean of those of each image and of its mirror image, left and right exchanged.

    Args:
        network: from floating ``(batch, channels, height, width)`` to logits ``(batch, classes)``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the averaged logits, floating ``(batch, classes)``."""
        logits: Tensor = (self.network(inputs) + self.network(inputs.flip(-1))) / 2
        return logits


def evaluated(network: nn.Module, tta: TestTimeAugmentation | None) -> nn.Module:
    """Return what answers for a network: itself, or its average over views."""
    return network if tta is None else FlipAverage(network)
