"""What a builder of networks and its network must return."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.core.errors import UserError
from zoo.core.registry import titled


def require_module(architecture: str, network: Any) -> nn.Module:
    """Return what a builder returned; UserError if it is not an ``nn.Module``."""
    if not isinstance(network, nn.Module):
        raise UserError(
            f"{titled('architecture', architecture)} breaks the contract: it must return an nn.Module, received "
            f"{type(network).__name__}"
        )
    return network


def require_logits(architecture: str, logits: Tensor, images: int, classes: int) -> Tensor:
    """Return the logits of a batch; UserError if they are not ``(images, classes)``."""
    if logits.shape != (images, classes):
        raise UserError(
            f"{titled('architecture', architecture)} breaks the contract: it must return logits "
            f"{(images, classes)}, received {tuple(logits.shape)}"
        )
    return logits
