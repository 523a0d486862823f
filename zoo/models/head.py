"""The last layer of a network, whose output is the logits, and the features that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.core.spec import InputSpec
from zoo.models.shapes import BATCH, restored_modes


class NoHead(Exception):
    """The logits of a network are not the output of one linear layer; the text says why."""


@dataclass(frozen=True)
class Head:
    """The last layer of a network: ``features (batch, width) ──► logits (batch, classes)``.

    Args:
        name: path of the module.
        module: a linear layer, or a convolution of 1x1 pixel whose features are one pixel.
    """

    name: str
    module: nn.Linear | nn.Conv2d

    @property
    def weight(self) -> Tensor:
        """The weights as ``(classes, width)``; a view of the layer's own."""
        return self.module.weight.detach().flatten(1)

    @property
    def width(self) -> int:
        """Numbers in the features of one image."""
        return self.weight.shape[1]

    @property
    def bias(self) -> Tensor | None:
        """The bias, ``(classes,)``, if the layer has one."""
        return None if self.module.bias is None else self.module.bias.detach()

    def set(self, weight: Tensor, bias: Tensor | None) -> None:
        """Replace the weights by ``(classes, width)``, and the bias by ``(classes,)`` where the layer has one."""
        with torch.no_grad():
            self.module.weight.copy_(weight.view_as(self.module.weight))
            if self.module.bias is not None and bias is not None:
                self.module.bias.copy_(bias)

    def inputs(self, compute: Callable[[], Tensor]) -> Tensor:
        """Return the features ``(batch, width)`` that the layer gets while ``compute()`` runs the network."""
        eager = torch.compiler.set_stance("force_eager")  # a compiled network records no module
        with _recorded({self.name: self.module}) as calls, torch.no_grad(), eager:
            compute()
        return calls[-1].features


@dataclass(frozen=True)
class _Call:
    name: str
    features: Tensor
    output: Tensor


def find_head(network: nn.Module, spec: InputSpec) -> Head:
    """Return the last layer of a network, which is run on two random images; it does not change.

    Args:
        network: any module from ``(batch, channels, height, width)`` to logits.
        spec: the input's channels and size.

    Raises:
        NoHead: the logits are not the output of one linear layer.
    """
    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}
    parameter = next(network.parameters())
    images = torch.rand(BATCH, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(0))
    with restored_modes(network), torch.no_grad(), _recorded(layers) as calls:
        logits = network.eval().forward(images.to(parameter))  # past torch.compile, which records no module
    if not calls:
        raise NoHead("it has no linear layer")
    last = calls[-1]
    if sum(call.name == last.name for call in calls) > 1:
        raise NoHead(f"its last layer, {last.name}, works more than once for an image")
    tolerance = 1e-5 * float(logits.abs().max())
    if last.output.shape != logits.shape or not torch.allclose(last.output, logits, rtol=1e-4, atol=tolerance):
        raise NoHead(f"the output of its last layer, {last.name}, is not the logits")
    return Head(last.name, layers[last.name])


@contextmanager
def _recorded(layers: Mapping[str, nn.Module]) -> Iterator[list[_Call]]:
    """Record the calls of layers, in order; the pixel of a convolution's output or input counts as none."""
    calls: list[_Call] = []

    def record(name: str, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        features = args[0]
        pixels = isinstance(module, nn.Conv2d) and (output.shape[2:].numel() > 1 or features.shape[2:].numel() > 1)
        flat = (features, output) if pixels else (features.flatten(1), output.flatten(1))
        calls.append(_Call(name, *flat))

    handles = [module.register_forward_hook(partial(record, name)) for name, module in layers.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
