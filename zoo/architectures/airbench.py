"""airbench: a small residual network for images of about 32 pixels that reaches good accuracy in little time.

K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), https://arxiv.org/abs/2404.00498. Taken from the
paper: a first layer of fixed filters that whiten the patches of the training images, convolutions that start as the
identity, batch normalisation, max pooling, and small logits.

    stage       what it does                                              shape after it, from (3, 32, 32), widths w
    whiten      patches on their principal components (24 at most),        (48, 15, 15), or (24, 31, 31)
                and the negatives of those; ReLU
    group 1..3  convolution 3x3, max pooling 2x2 (in group 1 only if       (w1, 15, 15), (w2, 7, 7), (w3, 3, 3)
                patches are 2x2), normalisation, ReLU; plus the
                result of a second convolution
    head        global max pooling, dense layer, divided by 9              (classes,)

The paper's patches are 2x2, at every pixel (configs/cifar10/accurate.yaml). The default is 4x4, every 2 pixels
(configs/cifar10/fast.yaml): the first group then has smaller maps, which suits CPUs. Differences from the paper: ReLU
in place of GELU; groups have shortcuts; the widths double from group to group.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec

#: Stride of the first layer, by the side of its patches, in pixels.
STRIDES = {2: 1, 4: 2}

#: Principal components that the first layer has at most; it also has their negatives.
COMPONENTS = 24

#: Added to the variance of each component, so that the noise of the weakest is not amplified.
LEAST_VARIANCE = 5e-4


class Whitening(nn.Module):
    """Fixed filters: the principal components of patches, scaled to variance 1, and their negatives.

    Args:
        channels: of the images.
        patch: side of the patches, 2 or 4.
    """

    weight: Tensor

    def __init__(self, channels: int, patch: int = 4) -> None:
        super().__init__()
        self.patch, self.stride = patch, STRIDES[patch]
        count = min(COMPONENTS, channels * patch**2)
        filters = nn.init.orthogonal_(torch.empty(count, channels * patch**2))
        # A buffer: it is computed from the data and not trained.
        self.register_buffer("weight", torch.empty(2 * count, channels, patch, patch))
        self._set(filters)

    def forward(self, x: Tensor) -> Tensor:
        """Return one map for each filter: ``(batch, maps, rows, columns)`` of patches."""
        return nn.functional.conv2d(x, self.weight, stride=self.stride)

    @torch.no_grad()
    def init_from_data(self, inputs: Tensor) -> None:
        """Compute the filters from network inputs ``(count, channels, height, width)``."""
        patches = nn.functional.unfold(inputs, self.patch, stride=self.stride).transpose(1, 2).flatten(0, 1).double()
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        count = len(self.weight) // 2
        scaled = components[:, -count:] / (variances[-count:] + LEAST_VARIANCE).sqrt()
        self._set(scaled.T.flip(0))

    def _set(self, filters: Tensor) -> None:
        both = torch.cat([filters, -filters]).reshape(self.weight.shape)
        self.weight.copy_(both)


class Group(nn.Module):
    """Two convolutions of one size, the second with a shortcut.

    Args:
        inputs: maps that come in.
        outputs: maps that go out.
        pool: whether the size is halved.
    """

    def __init__(self, inputs: int, outputs: int, pool: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(
            _identity(inputs, outputs), *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.second = nn.Sequential(_identity(outputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, outputs, height, width)``; height and width are halved if it pools."""
        x = self.first(x)
        y: Tensor = x + self.second(x)
        return y


class Airbench(nn.Module):
    """The network; ``init_from_data`` computes its first layer before the training.

    Args:
        channels: of the images.
        classes: number of logits.
        widths: maps of the three groups.
        patch: side of the first layer's patches, 2 or 4.
        mirror: whether evaluation averages the logits of an image and of its mirror image.
    """

    def __init__(self, channels: int, classes: int, widths: tuple[int, int, int], patch: int, mirror: bool) -> None:
        super().__init__()
        self.mirror = mirror
        self.whiten = Whitening(channels, patch)
        maps = [len(self.whiten.weight), *widths]
        self.groups = nn.Sequential(*(Group(maps[i], maps[i + 1], pool=i > 0 or patch == 2) for i in range(3)))
        self.head = nn.Linear(widths[-1], classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(batch, classes)`` of images ``(batch, channels, height, width)``."""
        if self.mirror and not self.training:
            return (self._logits(x) + self._logits(x.flip(3))) / 2
        return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        x = self.groups(self.whiten(x).relu())
        logits: Tensor = self.head(x.amax((2, 3))) / 9
        return logits

    def init_from_data(self, inputs: Tensor) -> None:
        """Compute the whitening filters from network inputs ``(count, channels, height, width)``."""
        self.whiten.init_from_data(inputs)


def airbench(spec: InputSpec, width: int = 48, patch: Literal[2, 4] = 4, mirror: bool = False) -> nn.Module:
    """A small residual network for images of about 32 pixels that trains in little time.

    Source: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), https://arxiv.org/abs/2404.00498

    Args:
        spec: classes, channels and size, at least 10 pixels a side.
        width: maps of the first group; the second has twice, the third four times as many.
        patch: side of the first layer's patches: 4, 2 pixels apart, or the paper's 2, at every pixel, which takes more
            time (1.2 times at width 64 on two cores).
        mirror: average the logits of an image and of its mirror image outside training, as the paper's figures do;
            evaluation and the exported file take twice the time.

    Raises:
        UserError: the images are too small, the width is not positive, or patch is neither 2 nor 4.
    """
    if width < 1:
        raise UserError(f"airbench's width is {width}; allowed is 1 or more")
    if patch not in STRIDES:
        raise UserError(f"airbench's patch is {patch}; allowed are {' and '.join(map(str, STRIDES))}")
    if min(spec.height, spec.width) < 10:
        raise UserError(
            f"airbench cannot work at {spec.height}x{spec.width} pixels; the smallest side it can is 10 "
            "(--data.image_size 10)"
        )
    return Airbench(spec.channels, len(spec.classes), (width, 2 * width, 4 * width), patch, mirror)


def _identity(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution whose first output maps start as copies of the input maps."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[: min(inputs, outputs)])
    return layer
