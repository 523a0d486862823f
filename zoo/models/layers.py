"""A network's layers, numbered in the order data meets them, and the freezing of the first ones.

A layer is a module that owns weights and transforms features (convolution, linear, attention). A normalisation belongs
to the layer before it. VGG16 has 16 layers, whether with batch normalisation or without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.flop_counter import FlopCounterMode

from zoo.core.errors import UserError, did_you_mean
from zoo.core.spec import InputSpec
from zoo.models.shapes import BATCH, run_shapes

NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass
class Layer:
    """One layer of a network.

    Args:
        name: path of its module in the network.
        kind: the module's class.
        shape: of its output, without the batch.
        parameters: names of its parameters, and of those of the normalisations that belong to it.
        count: numbers in those parameters.
        flops: floating-point operations for one image, two for a multiplication with its addition.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: list[str]
    count: int
    flops: int


@dataclass
class Frozen:
    """What of a network does not train.

    Args:
        parameters: names of the parameters.
        modules: modules that stay in evaluation mode: normalisations keep their statistics, dropout passes all.
    """

    parameters: set[str]
    modules: list[nn.Module]


def layers(network: nn.Module, spec: InputSpec) -> list[Layer]:
    """Return a network's layers in the order data meets them.

    Args:
        network: any module from ``(batch, channels, height, width)`` to logits; nothing is computed, nothing changed.
        spec: the input's channels and size.
    """
    return _Walk(network, spec).layers()


def freeze(network: nn.Module, spec: InputSpec, what: int | str) -> Frozen:
    """Stop the training of a network's first layers, or of a module; in place.

    Args:
        network: the network.
        spec: the input's channels and size.
        what: how many of the first layers, or the path of a module such as ``features``.

    Raises:
        UserError: there are not so many layers, no module of that path, or nothing would be left to train.
    """
    frozen = _module(network, what) if isinstance(what, str) else _first(network, spec, what)
    names = {name for name, _ in network.named_parameters()}
    if names <= frozen.parameters:
        raise UserError(f"model.freeze {what} leaves nothing to train; freeze less")
    for name, parameter in network.named_parameters():
        if name in frozen.parameters:
            parameter.requires_grad_(False)
    return frozen


def _first(network: nn.Module, spec: InputSpec, count: int) -> Frozen:
    walk = _Walk(network, spec)
    found = walk.layers()
    if not 1 <= count < len(found):
        raise UserError(
            f"model.freeze is {count}; this network has {len(found)} layers, allowed is 1 to {len(found) - 1} "
            "('zoo info NAME' numbers them), or the path of a module"
        )
    first_trained = walk.calls.index(found[count].name)
    inside = [network.get_submodule(name) for name in walk.calls[:first_trained]]
    leaves = [module for module in inside if not any(module.children())]
    attention = [network.get_submodule(layer.name) for layer in found[:count]]
    return Frozen({name for layer in found[:count] for name in layer.parameters}, leaves + attention)


def _module(network: nn.Module, path: str) -> Frozen:
    paths = [name for name, _ in network.named_modules() if name]
    if path not in paths:
        raise UserError(f"model.freeze is '{path}'; this network has no such module{did_you_mean(path, paths)}")
    module = network.get_submodule(path)
    parameters = {f"{path}.{name}" for name, _ in module.named_parameters()}
    if not parameters:
        raise UserError(f"model.freeze is '{path}', a module without weights")
    return Frozen(parameters, [module])


class _Walk:
    """One pass of shapes through a network: which modules are called, in which order, with which output."""

    def __init__(self, network: nn.Module, spec: InputSpec) -> None:
        self.network = network
        self.calls: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        counter = FlopCounterMode(display=False)
        with self._hooks(), counter:
            run_shapes(network, spec.channels, spec.height, spec.width)
        root = type(network).__name__
        self.flops = {
            name.removeprefix(f"{root}."): sum(operations.values()) // BATCH
            for name, operations in counter.get_flop_counts().items()
        }

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        handles = []
        for name, module in self.network.named_modules():
            if name:
                handles.append(module.register_forward_pre_hook(self._entered(name)))
                handles.append(module.register_forward_hook(self._left(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _entered(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[object, ...]) -> None:
            if name not in self.calls:
                self.calls.append(name)

        return hook

    def _left(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                self.shapes.setdefault(name, tuple(first.shape[1:]))

        return hook

    def layers(self) -> list[Layer]:
        """Return the layers, every parameter of the network in one of them."""
        owners = self._owners()
        found: dict[str, Layer] = {}
        pending: list[str] = []  # of what comes before the first layer
        last = ""
        for name in self.calls:
            parameters = owners.get(name, [])
            if not parameters:
                continue
            module = self.network.get_submodule(name)
            if isinstance(module, NORMALISATIONS):
                (found[last].parameters if last else pending).extend(parameters)
            else:
                found[name] = Layer(name, type(module).__name__, self.shapes.get(name, ()), pending + parameters, 0, 0)
                pending, last = [], name
        for layer in found.values():
            layer.count = sum(self.network.get_parameter(name).numel() for name in layer.parameters)
            layer.flops = self.flops.get(layer.name, 0)
        return list(found.values())

    def _owners(self) -> dict[str, list[str]]:
        """Return, for each called module, the parameters that count as its own.

        A parameter belongs to the module that holds it; where that one is never called (attention reads its
        projections' weights itself) to the nearest one around it that is; where it is a container of layers (a class
        token, a layer's scale) to the first layer called inside.
        """
        called = set(self.calls)
        holders = {name.rpartition(".")[0] for name, _ in self.network.named_parameters()} & called
        owners: dict[str, list[str]] = {}
        for name, _ in self.network.named_parameters():
            holder = name.rpartition(".")[0]
            while holder and holder not in called:
                holder = holder.rpartition(".")[0]
            prefix = f"{holder}." if holder else ""
            inside = [call for call in self.calls if call in holders and call.startswith(prefix) and call != holder]
            owners.setdefault(inside[0] if inside else holder, []).append(name)
        return owners
