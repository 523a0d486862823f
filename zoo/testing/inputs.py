"""Input that checks share."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.core.spec import InputSpec


def random_images(spec: InputSpec, count: int) -> Tensor:
    """Return random input, float32 ``(count, channels, height, width)``, mean 0, standard deviation 1."""
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, spec.channels, spec.height, spec.width, generator=generator)
