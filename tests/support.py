"""What tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import torch

REPOSITORY = Path(__file__).parent.parent


def weights(run):
    """Return the weights that a run's last checkpoint holds."""
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def assert_equal_weights(first, second):
    """Compare two runs' last weights, bit for bit."""
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
