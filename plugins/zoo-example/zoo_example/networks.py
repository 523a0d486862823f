"""mlp: a network without convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from zoo import InputSpec, UserError


def mlp(spec: InputSpec, hidden: int = 64, depth: int = 1) -> nn.Module:
    """Dense layers with ReLU between them.

    Args:
        spec: what the network must know of its data: classes, channels, height, width.
        hidden: units of each hidden layer, at least 1.
        depth: how many hidden layers, at least 1.

    Raises:
        UserError: a value is less than 1.
    """
    if hidden < 1 or depth < 1:
        raise UserError(f"hidden is {hidden} and depth {depth}; allowed is 1 or more")
    widths = [spec.channels * spec.height * spec.width] + [hidden] * depth
    modules: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(hidden, len(spec.classes)))
