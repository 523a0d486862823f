"""What is computed from the images of a data set."""

from __future__ import annotations

import pytest
import torch

from zoo.data.inspection import statistics
from zoo.data.sources import MemorySource


def test_statistics_are_per_channel_and_never_zero():
    images = torch.zeros(10, 4, 4, 3, dtype=torch.uint8)
    images[..., 1], images[:5, ..., 2] = 51, 255
    mean, std = statistics(MemorySource(images, torch.zeros(10, dtype=torch.int64)))
    assert mean == pytest.approx((0, 0.2, 0.5))
    assert std == pytest.approx((1 / 255, 1 / 255, 0.5))
