"""The last layer of a network, whose output is the logits, and the features that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.core.spec import InputSpec
from zoo.models.shapes import BATCH, restored_modes


class NoHead(Exception):
    """The logits of a network are not the output of a linear layer; the text says why."""


@dataclass(frozen=True)
class Head:
    """The last layer of a network: ``features (batch, width) ──► logits (batch, classes)``.

    Distilled networks have two, whose mean is the logits; their features stand side by side.

    Args:
        layers: linear layers, or convolutions of 1x1 pixel whose features are one pixel, by their paths.
    """

    layers: Mapping[str, nn.Module]

    @property
    def name(self) -> str:
        """The path of the layer; of several, their paths for people."""
        return " and ".join(self.layers)

    @property
    def weight(self) -> Tensor:
        """The weights that give the logits, ``(classes, width)``."""
        parts = [layer.weight.detach().flatten(1) for layer in self.layers.values()]  # type: ignore[operator]
        return torch.cat(parts, dim=1) / len(parts)

    @property
    def bias(self) -> Tensor | None:
        """The bias, ``(classes,)``; None where a layer has none."""
        biases: list[Any] = [layer.bias for layer in self.layers.values()]
        return None if any(bias is None for bias in biases) else torch.stack(biases).detach().mean(dim=0)

    @property
    def width(self) -> int:
        """Numbers in the features of one image."""
        return self.weight.shape[1]

    def set(self, weight: Tensor, bias: Tensor | None) -> None:
        """Replace the weights by ``(classes, width)``, and the bias by ``(classes,)`` where every layer has one."""
        with torch.no_grad():
            for layer, part in zip(self._layers, torch.split(weight, self._widths, dim=1), strict=True):
                layer.weight.copy_(part.view_as(layer.weight) * len(self.layers))
                if bias is not None:
                    layer.bias.copy_(bias)

    def trains_alone(self, network: nn.Module) -> bool:
        """Tell whether everything else in the network is frozen."""
        own = {id(parameter) for layer in self.layers.values() for parameter in layer.parameters()}
        return all(id(parameter) in own for parameter in network.parameters() if parameter.requires_grad)

    def inputs(self, compute: Callable[[], Any]) -> Tensor:
        """Return the features ``(batch, width)`` that the layer gets while ``compute()`` runs the network.

        No gradient is recorded, and a compiled network runs as it was before: compiled code records no layer.
        """
        eager = torch.compiler.set_stance("force_eager")
        with _recorded(self.layers) as calls, torch.no_grad(), eager:
            compute()
        features = {call.name: call.features for call in calls}
        return torch.cat([features[name] for name in self.layers], dim=1)

    def logits(self, features: Tensor) -> Tensor:
        """Return logits ``(batch, classes)`` of features ``(batch, width)``, by the layers themselves."""
        parts = torch.split(features, self._widths, dim=1)
        outputs = [
            layer(part[:, :, None, None] if isinstance(layer, nn.Conv2d) else part).flatten(1)
            for layer, part in zip(self._layers, parts, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else torch.stack(outputs).mean(dim=0)

    @property
    def _layers(self) -> list[Any]:
        return list(self.layers.values())

    @property
    def _widths(self) -> list[int]:
        return [layer.weight[0].numel() for layer in self._layers]


@dataclass(frozen=True)
class _Call:
    name: str
    features: Tensor
    output: Tensor


def find_head(network: nn.Module, spec: InputSpec) -> Head:
    """Return the last layer of a network, which is run on two random images; it does not change.

    A second run in which the layer gives other numbers shows that the logits are its output: an activation behind it
    changes nothing where the first outputs happen to be positive.

    Args:
        network: any module from ``(batch, channels, height, width)`` to logits.
        spec: the input's channels and size.

    Raises:
        NoHead: the logits are not the output of a linear layer, nor the mean of the last ones.
    """
    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}
    parameter = next(network.parameters())
    images = torch.rand(BATCH, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(0))
    with restored_modes(network), torch.no_grad(), _recorded(layers) as calls:
        logits = network.eval().forward(images.to(parameter))  # past torch.compile, which records no module
    if not calls:
        raise NoHead("it has no linear layer that works by itself")
    last = calls[-1]
    alike = [call for call in calls if call.output.shape == last.output.shape == logits.shape]
    for group in (alike[-1:], alike[-2:]):
        names = [call.name for call in group]
        once = names and all(sum(call.name == name for call in calls) == 1 for name in names)
        if once and _is_mean([call.output for call in group], logits):
            head = Head({name: layers[name] for name in names})
            if _decides(head, network, images.to(parameter)):
                return head
    raise NoHead(f"the output of its last layer, {last.name}, is not the logits")


def _is_mean(outputs: Sequence[Tensor], logits: Tensor) -> bool:
    mean = torch.stack(list(outputs)).mean(dim=0)
    return torch.allclose(mean, logits, rtol=1e-4, atol=1e-5 * float(logits.abs().max()))


def _decides(head: Head, network: nn.Module, images: Tensor) -> bool:
    """Tell whether the logits are the output of the head when it gives numbers of both signs."""
    generator = torch.Generator().manual_seed(1)
    outputs: list[Tensor] = []

    def replace(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        numbers = torch.randn(output.shape, generator=generator).to(output)
        outputs.append(numbers.flatten(1))
        return numbers

    handles = [layer.register_forward_hook(replace) for layer in head.layers.values()]
    try:
        with restored_modes(network), torch.no_grad():
            logits = network.eval().forward(images)
    finally:
        for handle in handles:
            handle.remove()
    return _is_mean(outputs, logits)


@contextmanager
def _recorded(layers: Mapping[str, nn.Module]) -> Iterator[list[_Call]]:
    """Record the calls of layers in order; the features and the output of a single pixel as ``(batch, channels)``."""
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
