"""Residual networks for images of about 32 pixels: resnet20, resnet32, resnet44, resnet56 and resnet110.

K. He et al., "Deep Residual Learning for Image Recognition" (2015), https://arxiv.org/abs/1512.03385, section 4.2,
trained on CIFAR-10 (configs/cifar10/resnet20.yaml). A network of 6n + 2 layers has three groups of n blocks:

    stage       what it does                                                shape after it, from (3, 32, 32)
    stem        convolution 3x3, normalisation, ReLU                        (16, 32, 32)
    group 1..3  n blocks: twice convolution 3x3 and normalisation, plus     (16, 32, 32), (32, 16, 16), (64, 8, 8)
                the block's input; ReLU. Groups 2 and 3 halve the size in
                their first block
    head        mean over the map, dense layer                              (classes,)

As in the paper, a shortcut has no weights ("option A"): where the size halves it takes every second pixel, and zeros
for the new maps. Weights start by He's rule for ReLU (2015, https://arxiv.org/abs/1502.01852). The networks that
torchvision and timm call resnet18 and resnet34 are others, of section 4.1, for photographs.

    network     layers   parameters for 10 classes   the paper's error on CIFAR-10
    resnet20        20                     269,722                          8.75 %
    resnet32        32                     464,154                          7.51 %
    resnet44        44                     658,586                          7.17 %
    resnet56        56                     853,018                          6.97 %
    resnet110      110                   1,727,962            6.43 % (6.61 ± 0.16)
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec

#: Side of the smallest image, of which the last group has maps of one pixel.
SMALLEST = 4


class Block(nn.Module):
    """Two convolutions and a shortcut around them.

    Args:
        inputs: maps that it gets.
        outputs: maps that it gives, as many or twice as many.
        stride: 1, or 2 where the size halves.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.stride, self.added = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, outputs, rows, columns)``, rows and columns divided by the stride and rounded up."""
        shortcut = x
        if self.added:
            before = self.added // 2
            shortcut = nn.functional.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.added - before)
            )
        summed: Tensor = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + shortcut)
        return summed


class ResNet(nn.Module):
    """A network of 6 * blocks + 2 layers.

    Args:
        spec: classes and channels of the data.
        blocks: of each of the three groups.
        width: maps of the first group; the others have twice and four times as many.
    """

    def __init__(self, spec: InputSpec, blocks: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(spec.channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.group1 = _group(width, width, blocks)
        self.group2 = _group(width, 2 * width, blocks)
        self.group3 = _group(2 * width, 4 * width, blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, len(spec.classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(batch, classes)`` of ``(batch, channels, height, width)``."""
        maps = self.group3(self.group2(self.group1(self.stem(x))))
        logits: Tensor = self.fc(self.pool(maps).flatten(1))
        return logits


def _group(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    first = Block(inputs, outputs, 1 if inputs == outputs else 2)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(blocks - 1)))


def _build(spec: InputSpec, blocks: int, width: int) -> ResNet:
    if width < 1:
        raise UserError(f"width is {width}; allowed is 1 or more (16 in the paper)")
    if min(spec.height, spec.width) < SMALLEST:
        raise UserError(
            f"these networks halve the size twice, and {spec.height}x{spec.width} is too small; the smallest is "
            f"{SMALLEST}x{SMALLEST} (--data.image_size)"
        )
    return ResNet(spec, blocks, width)


def resnet20(spec: InputSpec, width: int = 16) -> nn.Module:
    """He's residual network of 20 layers for small images; 91.25 % on CIFAR-10 in the paper.

    Args:
        spec: classes, channels and size of the data, of at least 4x4 pixels.
        width: maps of the first group; the other two have twice and four times as many.

    Raises:
        UserError: the width is below 1, or the images are too small.
    """
    return _build(spec, 3, width)


def resnet32(spec: InputSpec, width: int = 16) -> nn.Module:
    """He's residual network of 32 layers for small images; 92.49 % on CIFAR-10 in the paper.

    Args:
        spec: classes, channels and size of the data, of at least 4x4 pixels.
        width: maps of the first group; the other two have twice and four times as many.

    Raises:
        UserError: the width is below 1, or the images are too small.
    """
    return _build(spec, 5, width)


def resnet44(spec: InputSpec, width: int = 16) -> nn.Module:
    """He's residual network of 44 layers for small images; 92.83 % on CIFAR-10 in the paper.

    Args:
        spec: classes, channels and size of the data, of at least 4x4 pixels.
        width: maps of the first group; the other two have twice and four times as many.

    Raises:
        UserError: the width is below 1, or the images are too small.
    """
    return _build(spec, 7, width)


def resnet56(spec: InputSpec, width: int = 16) -> nn.Module:
    """He's residual network of 56 layers for small images; 93.03 % on CIFAR-10 in the paper.

    Args:
        spec: classes, channels and size of the data, of at least 4x4 pixels.
        width: maps of the first group; the other two have twice and four times as many.

    Raises:
        UserError: the width is below 1, or the images are too small.
    """
    return _build(spec, 9, width)


def resnet110(spec: InputSpec, width: int = 16) -> nn.Module:
    """He's residual network of 110 layers for small images; 93.39 ± 0.16 % on CIFAR-10 in the paper.

    The paper trains its first 400 steps at a tenth of the rate: ``--model.warmup_steps 400`` raises it in as many.

    Args:
        spec: classes, channels and size of the data, of at least 4x4 pixels.
        width: maps of the first group; the other two have twice and four times as many.

    Raises:
        UserError: the width is below 1, or the images are too small.
    """
    return _build(spec, 18, width)
