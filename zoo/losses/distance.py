"""Losses of how far the probabilities are from the targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.core.spec import InputSpec


class MeanSquaredError(nn.Module):
    """The mean over the classes of squared differences of probabilities and shares."""

    def forward(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return ``(batch,)`` of logits and shares ``(batch, classes)``."""
        return nn.functional.mse_loss(logits.softmax(dim=1), shares, reduction="none").mean(dim=1)


def mse(spec: InputSpec) -> MeanSquaredError:
    """The mean squared error of the probabilities to the one-hot label, as early networks were trained.

    Args:
        spec: of the data.
    """
    return MeanSquaredError()


class Ordinal(nn.Module):
    """Cross-entropy to targets that classes near the right one share."""

    spread: Tensor

    def __init__(self, classes: int, sharpness: float) -> None:
        super().__init__()
        ranks = torch.arange(classes, dtype=torch.float32)
        distances = (ranks[:, None] - ranks).abs()
        self.register_buffer("spread", (-sharpness * distances).softmax(dim=1), persistent=False)

    def forward(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return ``(batch,)`` of logits and shares ``(batch, classes)``."""
        return nn.functional.cross_entropy(logits, shares @ self.spread.to(shares.dtype), reduction="none")


def ordinal(spec: InputSpec, sharpness: float = 2.0) -> Ordinal:
    """Cross-entropy for classes in an order, such as grades or ages: a near class is less wrong than a far one.

    The target of class k is the softmax of -sharpness * abs(k - right class), over the order of the data's classes. R.
    Diaz and A. Marathe, "Soft Labels for Ordinal Regression" (CVPR 2019), equation 1 with the absolute distance.
    ``zoo info DATA`` shows the order; a folder's classes are sorted by name, so 1 to 10 are named 01 to 10.

    Args:
        spec: of the data.
        sharpness: above 0: each step of distance divides the share by e ** sharpness. At 2 the right class keeps 0.76
            among five.

    Raises:
        ValueError: sharpness is not above 0.
    """
    if not 0 < sharpness < float("inf"):
        raise ValueError(f"sharpness is {sharpness}; allowed is more than 0 (2 is usual)")
    return Ordinal(len(spec.classes), sharpness)
