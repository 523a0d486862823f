"""CIFAR-10 by the published recipe of cifar10-airbench, without zoo's training: a peer of ``accurate.yaml`` on a GPU.

    python benchmarks/airbench.py [--device cuda] [--target 0.94] [--images 50000] [--widths 64 256 256] [--lengths ...]

K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), https://arxiv.org/abs/2404.00498, written from the
description of airbench94 there: the fixed whitening layer and its trained bias, three groups of two convolutions that
start as the identity, GELU, BatchNorm with trained biases alone, Nesterov momentum with decoupled rates, a triangular
schedule, Lookahead, label smoothing, alternating flips, shifts by 2 pixels, and six views in evaluation. Nothing is
compiled.

Trainings of growing length end with the first that reaches the target; its seconds are those of its steps, without
reading the data, compiling kernels and evaluation. Prints JSON. Needs the data in ``$ZOO_DATA_ROOT``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

#: Images of a step.
BATCH = 1024

#: Learning rate and weight decay for 1,024 images, as the paper has them: without the momentum's factor.
RATE, DECAY, MOMENTUM = 11.5, 0.0153, 0.85

#: The biases of BatchNorm learn so many times as fast; that of the first layer trains for so many epochs.
BIAS_FACTOR, BIAS_EPOCHS = 64, 3

SMOOTHING = 0.2

#: Epochs to try, the paper's 9.9 among them.
LENGTHS = (3.0, 5.0, 7.0, 9.9, 14.0, 20.0)


def norm(width: int) -> nn.BatchNorm2d:
    """Return BatchNorm that forgets quickly and trains its bias alone."""
    layer = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution whose first maps start as copies of its inputs."""
    layer = nn.Conv2d(inputs, outputs, 3, padding="same", bias=False)
    nn.init.dirac_(layer.weight.data[:inputs])
    return layer


def group(inputs: int, outputs: int) -> list[nn.Module]:
    """Return two convolutions, the first of which halves the sides."""
    first = [convolution(inputs, outputs), nn.MaxPool2d(2), norm(outputs), nn.GELU()]
    return [*first, convolution(outputs, outputs), norm(outputs), nn.GELU()]


class Head(nn.Linear):
    """A dense layer whose logits start small."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, classes)`` of ``(batch, width)``."""
        return super().forward(x) / 9


def build(images: Tensor, widths: list[int]) -> nn.Sequential:
    """Return the network, from ``(batch, 3, 32, 32)`` to ``(batch, 10)``; images whiten its first layer."""
    first = nn.Conv2d(3, 24, 2)
    patches = functional.unfold(images, 2).transpose(1, 2).flatten(0, 1).double()
    variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (components / (variances + 5e-4).sqrt()).T.reshape(12, 3, 2, 2).float()
    first.weight.data = torch.cat([filters, -filters]).clone()
    first.weight.requires_grad_(False)
    nn.init.zeros_(first.bias)
    groups = [layer for pair in zip([24, *widths], widths, strict=False) for layer in group(*pair)]
    return nn.Sequential(first, nn.GELU(), *groups, nn.MaxPool2d(3), nn.Flatten(), Head(widths[-1], 10, bias=False))


def normalised(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ``(batch, 3, 32, 32)`` of uint8 ``(batch, 32, 32, 3)``."""
    mean, std = (torch.tensor(numbers, device=pixels.device) for numbers in (MEAN, STD))
    return ((pixels.float() / 255 - mean) / std).to(dtype).permute(0, 3, 1, 2)


def shifted(images: Tensor, limit: int) -> Tensor:
    """Return each image shifted by up to ``limit`` pixels in each direction, its edges mirrored."""
    padded, count = functional.pad(images, (limit,) * 4, "reflect"), 2 * limit + 1
    choices, result = torch.randint(count**2, (len(images),), device=images.device), torch.empty_like(images)
    for choice in range(count**2):
        row, column = divmod(choice, count)
        result[choices == choice] = padded[choices == choice, :, row : row + 32, column : column + 32]
    return result


def share(step: int, steps: int) -> float:
    """Return the part of the highest learning rate: from 0.2 to 1 in 23 % of the steps, then down to 0.07."""
    peak = 0.23 * steps
    return 0.2 + 0.8 * step / peak if step < peak else 1 - 0.93 * (step - peak) / (steps - peak)


class Lookahead:
    """Slow weights, to which the fast ones return every few steps, later in the training more than at its begin."""

    def __init__(self, network: nn.Module) -> None:
        self.slow = {name: value.clone() for name, value in network.state_dict().items() if value.is_floating_point()}

    def update(self, network: nn.Module, decay: float) -> None:
        """Move the slow weights, by 1 - decay of the way, to the fast ones, and these to them."""
        state = network.state_dict()
        for name, value in self.slow.items():
            value.lerp_(state[name], 1 - decay)
            state[name].copy_(value)


def optimizer_of(network: nn.Sequential) -> torch.optim.SGD:
    """Return SGD in which neither momentum nor learning rate changes how strong rates and decay are."""
    scale = BATCH * (1 + 1 / (1 - MOMENTUM))
    rate, decay = RATE / scale, DECAY * BATCH / scale
    biases = [layer.bias for layer in network if isinstance(layer, nn.BatchNorm2d)]
    others = [parameter for name, parameter in network.named_parameters() if parameter.requires_grad]
    others = [parameter for parameter in others if all(parameter is not bias for bias in biases)]
    groups = [
        {"params": biases, "lr": rate * BIAS_FACTOR, "weight_decay": decay / (rate * BIAS_FACTOR)},
        {"params": others, "lr": rate, "weight_decay": decay / rate},
    ]
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


def train(images: Tensor, labels: Tensor, epochs: float, widths: list[int]) -> tuple[nn.Sequential, float]:
    """Return a trained network, and the seconds of its steps.

    Args:
        images: normalised ``(count, 3, 32, 32)``.
        labels: int64 ``(count,)``.
        epochs: a number, not always whole.
        widths: maps of the three groups.
    """
    batch = min(BATCH, len(images))
    network = build(images[:5000].float().cpu(), widths).to(images.device, images.dtype)
    network = network.to(memory_format=torch.channels_last).train()
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            layer.float()
    per_epoch = len(images) // batch
    steps = math.ceil(epochs * per_epoch)
    optimizer, lookahead = optimizer_of(network), Lookahead(network)
    rates = [settings["lr"] for settings in optimizer.param_groups]
    begin, mirrored = _now(images.device), torch.rand(len(images), device=images.device) < 0.5
    for step in range(steps):
        epoch, position = divmod(step, per_epoch)
        if position == 0:
            order = torch.randperm(len(images), device=images.device)
            flip = mirrored if epoch % 2 == 0 else ~mirrored
            seen = torch.where(flip[:, None, None, None], images.flip(3), images)
            seen = shifted(seen, 2).contiguous(memory_format=torch.channels_last)
        network[0].bias.requires_grad_(epoch < BIAS_EPOCHS)
        for settings, rate in zip(optimizer.param_groups, rates, strict=True):
            settings["lr"] = rate * share(step, steps)
        chosen = order[position * batch : (position + 1) * batch]
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(
            network(seen[chosen]), labels[chosen], reduction="sum", label_smoothing=SMOOTHING
        )
        loss.backward()
        optimizer.step()
        if (step + 1) % 5 == 0:
            lookahead.update(network, 0.95**5 * ((step + 1) / steps) ** 3)
    lookahead.update(network, 1.0)
    return network, _now(images.device) - begin


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.no_grad()
def accuracy(network: nn.Sequential, images: Tensor, labels: Tensor) -> float:
    """Return the share that is right, by each image, two shifted by a pixel at half weight, and the mirrors of all."""
    network.eval()

    def both_ways(views: Tensor) -> Tensor:
        return network(views) + network(views.flip(3))

    right = 0
    for some, expected in zip(images.split(2000), labels.split(2000), strict=True):
        padded = functional.pad(some, (1,) * 4, "reflect")
        corners = both_ways(padded[:, :, :32, :32]) + both_ways(padded[:, :, 2:, 2:])
        right += int(((both_ways(some) + corners / 2).argmax(1) == expected).sum())
    return right / len(images)


def measure(device: str, target: float, count: int, widths: list[int], lengths: list[float]) -> dict[str, Any]:
    """Train for each length until one reaches the target; return the last one's figures."""
    dtype = torch.half if device == "cuda" else torch.float32
    data = {}
    for split in ("train", "test"):
        source: Any = zoo.create_dataset("cifar10", os.environ["ZOO_DATA_ROOT"], split)
        pixels = torch.from_numpy(source.images[:count]).to(device)
        data[split] = normalised(pixels, dtype), torch.from_numpy(source.labels[:count]).long().to(device)
    torch.backends.cudnn.benchmark = True
    if device == "cuda":
        train(*data["train"], 1, widths)  # tries kernels, which takes longer than a training
    for epochs in lengths:
        torch.manual_seed(0)
        network, seconds = train(*data["train"], epochs, widths)
        figures = {"accuracy": accuracy(network, *data["test"]), "training_seconds": seconds, "epochs": epochs}
        if figures["accuracy"] >= target:
            break
    return figures | {"target": target, "reached": figures["accuracy"] >= target}


def main() -> None:
    """Parse the options, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--target", type=float, default=0.94, help="accuracy on test")
    parser.add_argument("--images", type=int, default=50_000, help="of each split")
    parser.add_argument("--widths", type=int, nargs=3, default=[64, 256, 256])
    parser.add_argument("--lengths", type=float, nargs="+", default=list(LENGTHS), help="epochs, growing")
    options = parser.parse_args()
    if not Path(os.environ.get("ZOO_DATA_ROOT", "none")).is_dir():
        parser.error("ZOO_DATA_ROOT names no folder; CIFAR-10 is read there")
    figures = measure(options.device, options.target, options.images, options.widths, options.lengths)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
