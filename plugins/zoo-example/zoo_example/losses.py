"""hinge: a loss of margins between logits."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from zoo import InputSpec


def hinge(spec: InputSpec, margin: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    """How far each wrong class comes within a margin of the right one.

    Args:
        spec: of the data.
        margin: by which the right class's logit should be the highest, above 0.

    Raises:
        ValueError: margin is not above 0; zoo prints it as one line.
    """
    if margin <= 0:
        raise ValueError(f"margin is {margin}; allowed is more than 0")

    def loss(logits: Tensor, shares: Tensor) -> Tensor:
        """Return ``(batch,)`` of logits and target shares, both ``(batch, classes)``; shares sum to 1."""
        right = (logits * shares).sum(dim=1, keepdim=True)
        return (logits - right + margin * (1 - shares)).clamp(min=0).sum(dim=1)

    return loss
