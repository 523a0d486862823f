"""LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86 (1998), http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf

Layout for 28x28 pixels (32x32 with the padding of 2):

    layer   paper (variant "1998")                  tutorial (variant "keras", the default)
    C1      6 @ 5x5, 28x28                          6 @ 5x5, same padding, 28x28, ReLU
    S2      subsampling 2x2, trainable, 14x14       average pooling 2x2, 14x14
    C3      16 @ 5x5, sparsely connected, 10x10     16 @ 5x5, same padding, 14x14, ReLU
    S4      subsampling 2x2, trainable, 5x5         average pooling 2x2, 7x7
    C5      120 @ 5x5, 1x1                          120, ReLU
    F6      84                                      84, ReLU
    output  84 -> classes, radial basis functions   84 -> classes

"1998" differs from the paper in two points: the output is linear and trained with cross-entropy, because the fixed
7x12 bitmaps of the radial basis functions exist for characters only; and weights start from PyTorch's distribution.
Subsampling (a trainable gain and bias per map), C3's connections and the activation 1.7159 tanh(2x/3) are the paper's.

The weights of "keras" start as in Keras (``glorot``).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from zoo.architectures.glorot import glorot_
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec

#: Table I of the paper: for each of C3's 16 maps, the maps of S2 it is connected to.
C3_CONNECTIONS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


def lenet5(spec: InputSpec, variant: Literal["keras", "1998"] = "keras", dropout: float = 0.0) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998) for grey or colour images of 8 pixels or more a side.

    Source: http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf

    Args:
        spec: classes, channels and size; "keras" takes 8 pixels or more, "1998" takes 28 or more.
        variant: "keras" is the layout of the Fashion-MNIST tutorials (same padding, ReLU, average pooling), "1998" the
            paper's (trainable subsampling, sparse second convolution, scaled tanh).
        dropout: probability, in [0, 1), of zeroing a feature before the last layer while training.

    Raises:
        UserError: the images are too small for the variant, or dropout is outside [0, 1).
    """
    if not 0 <= dropout < 1:
        raise UserError(f"dropout is {dropout}; allowed is 0 or more and less than 1")
    smallest = {"keras": 8, "1998": 28}[variant]
    if min(spec.height, spec.width) < smallest:
        raise UserError(
            f"lenet5 (variant {variant}) cannot work at {spec.height}x{spec.width} pixels; the smallest side it can is "
            f"{smallest} (--data.image_size {smallest})"
        )
    return _keras(spec, dropout) if variant == "keras" else _paper(spec, dropout)


def _keras(spec: InputSpec, dropout: float) -> nn.Module:
    features = 16 * (spec.height // 2 // 2) * (spec.width // 2 // 2)
    return glorot_(
        _named(
            c1=(nn.Conv2d(spec.channels, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
            c3=(nn.Conv2d(6, 16, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
            c5=(nn.Flatten(), nn.Linear(features, 120), nn.ReLU()),
            f6=(nn.Linear(120, 84), nn.ReLU()),
            output=(nn.Dropout(dropout), nn.Linear(84, len(spec.classes))),
        )
    )


def _paper(spec: InputSpec, dropout: float) -> nn.Module:
    height, width = ((side // 2 - 4) // 2 - 4 for side in (spec.height, spec.width))
    return _named(
        c1=(nn.Conv2d(spec.channels, 6, 5, padding=2), Squash(), Subsampling(6)),
        c3=(SparseConv2d(6, C3_CONNECTIONS, 5), Squash(), Subsampling(16)),
        c5=(nn.Conv2d(16, 120, 5), Squash()),
        f6=(nn.Flatten(), nn.Linear(120 * height * width, 84), Squash()),
        output=(nn.Dropout(dropout), nn.Linear(84, len(spec.classes))),
    )


def _named(**stages: tuple[nn.Module, ...]) -> nn.Sequential:
    """Return a network whose stages have these names."""
    return nn.Sequential(OrderedDict((name, nn.Sequential(*modules)) for name, modules in stages.items()))


class Squash(nn.Module):
    """The paper's activation, 1.7159 tanh(2x/3): it is 1 at 1 and -1 at -1, far from saturation."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape, in (-1.7159, 1.7159)."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """The paper's S layers: the sum of each 2x2 square, times a gain, plus a bias, both per map; then ``Squash``.

    Args:
        maps: channels in and out.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((maps, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))
        self.squash = Squash()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, maps, height // 2, width // 2)``."""
        total: Tensor = self.squash(nn.functional.avg_pool2d(x, 2) * 4 * self.gain + self.bias)
        return total


class SparseConv2d(nn.Conv2d):
    """A convolution whose output maps are each connected to some of the input maps.

    Args:
        in_channels: input maps.
        connections: for each output map, its input maps.
        kernel_size: of the square kernel.
    """

    mask: Tensor

    def __init__(self, in_channels: int, connections: tuple[tuple[int, ...], ...], kernel_size: int) -> None:
        super().__init__(in_channels, len(connections), kernel_size)
        mask = torch.zeros(len(connections), in_channels, 1, 1)
        for output, inputs in enumerate(connections):
            mask[output, list(inputs)] = 1
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, len(connections), height - kernel_size + 1, width - kernel_size + 1)``."""
        return nn.functional.conv2d(x, self.weight * self.mask, self.bias)
