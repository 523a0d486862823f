"""Numbers a network's layers in the order in which data passes them, and freezes the first ones.

A layer is a module that owns weights and transforms features (convolution, linear, attention). A normalisation belongs
to the layer before it. VGG16 has 16 layers, with batch normalisation or without.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from zoo.core.errors import UserError, did_you_mean
from zoo.core.spec import InputSpec
from zoo.models.shapes import BATCH, run_shapes

NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass
class Layer:
    """One layer of a network.

    Args:
        name: path of its module in the network.
        kind: class of the module.
        shape: of its output, without the batch.
        parameters: names of its parameters and of the parameters of its normalisations.
        count: numbers in those parameters.
        flops: floating-point operations for one image; a multiplication and its addition are two.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: list[str]
    count: int
    flops: int


@dataclass
class FrozenLayers:
    """The part of a network that does not train.

    Args:
        parameters: names of the parameters.
        modules: modules that stay in evaluation mode: normalisations keep their statistics, dropout drops nothing.
        trained_before: names of the layers that train although a frozen one comes after them.
    """

    parameters: set[str]
    modules: list[nn.Module]
    trained_before: list[str] = field(default_factory=list)


def layers(network: nn.Module, spec: InputSpec) -> list[Layer]:
    """Return a network's layers in the order in which data passes them.

    Args:
        network: any module from ``(batch, channels, height, width)`` to logits; it is neither run on data nor changed.
        spec: the input's channels and size.
    """
    return _Trace(network, spec).layers()


def layers_and_operations(network: nn.Module, spec: InputSpec) -> list[Layer]:
    """Return a network's layers and, where data passes them, its modules without parameters: pooling, activation, ...

    Those have no parameters, a count of 0 and no FLOPs. Arguments as ``layers``.
    """
    trace = _Trace(network, spec)
    numbered = {layer.name: layer for layer in trace.layers()}
    steps = []
    for name in trace.calls:
        module = network.get_submodule(name)
        if name in numbered:
            steps.append(numbered[name])
        elif not [*module.children(), *module.parameters()] and not isinstance(module, nn.Identity):
            steps.append(Layer(name, type(module).__name__, trace.shapes.get(name, ()), [], 0, 0))
    return steps


def freeze(network: nn.Module, spec: InputSpec, what: int | str) -> FrozenLayers:
    """Freeze a network's first layers, or some of its modules, in place.

    Args:
        network: the network.
        spec: the input's channels and size.
        what: how many of the first layers; the path of a module such as ``features``; a range of modules such as
            ``blocks.0-3``; ``backbone``, all layers but the last, or the last ones side by side, as distilled networks
            have them; or ``stem``, the layers before the first block of several. A module of these names wins.

    Raises:
        UserError: the network has fewer layers, or no such module, or nothing would be left to train.
    """
    trace = _Trace(network, spec)
    numbered = trace.layers()
    paths = {name for name, _ in network.named_modules() if name}
    if what == "backbone" and what not in paths:
        heads = _heads(network, spec, numbered)
        frozen = _first(network, trace, numbered, len(numbered) - heads)
        for layer in numbered[-heads:-1]:  # a normalisation before the next one is none of its own
            others = [name for name in layer.parameters if not name.startswith(f"{layer.name}.")]
            frozen.parameters.update(others)
            frozen.modules += [network.get_submodule(name.rpartition(".")[0]) for name in others]
    elif what == "stem" and what not in paths:
        frozen = _first(network, trace, numbered, _stem(numbered))
    elif isinstance(what, str):
        frozen = _modules(network, what, paths)
    else:
        frozen = _first(network, trace, numbered, what)
    names = {name for name, _ in network.named_parameters()}
    if names <= frozen.parameters:
        raise UserError(f"model.freeze {what} leaves nothing to train; freeze less")
    for name, parameter in network.named_parameters():
        if name in frozen.parameters:
            parameter.requires_grad_(False)
    touched = [place for place, layer in enumerate(numbered) if frozen.parameters & set(layer.parameters)]
    before = numbered[: max(touched, default=0)]
    frozen.trained_before = [layer.name for layer in before if not set(layer.parameters) <= frozen.parameters]
    return frozen


def _first(network: nn.Module, trace: _Trace, numbered: list[Layer], count: int) -> FrozenLayers:
    if not 1 <= count < len(numbered):
        raise UserError(
            f"model.freeze is {count}; this network has {len(numbered)} layers, allowed is 1 to {len(numbered) - 1} "
            "('zoo info NAME' numbers them), or the path of a module"
        )
    first_trained = trace.calls.index(numbered[count].name)
    before, after = trace.calls[:first_trained], trace.calls[first_trained:]
    # Whole modules too: some normalisations, attention and blocks look at their own mode and hold other modules.
    done = [name for name in before if not any(call.startswith(f"{name}.") for call in after)]
    modules = [network.get_submodule(name) for name in done]
    return FrozenLayers({name for layer in numbered[:count] for name in layer.parameters}, modules)


def _heads(network: nn.Module, spec: InputSpec, numbered: list[Layer]) -> int:
    """Return the number of last layers that give logits side by side; a distilled network has two, most have one."""
    count = 1
    for layer, after in zip(reversed(numbered[:-1]), reversed(numbered), strict=False):
        weight = getattr(network.get_submodule(after.name), "weight", None)
        fed = weight is None or weight[0].numel() == len(spec.classes)  # it may work on the output of the one before
        if layer.shape != (len(spec.classes),) or fed:
            break
        count += 1
    return count


def _stem(numbered: list[Layer]) -> int:
    """Return the number of layers before the first module that holds several, under the module that holds most."""
    prefix = ""
    while True:
        names = [layer.name.removeprefix(prefix) for layer in numbered if layer.name.startswith(prefix)]
        sizes = Counter(name.partition(".")[0] for name in names)
        block = next((child for child, size in sizes.items() if size > 1), None)
        if block is None:
            raise UserError("model.freeze is 'stem'; this network has no blocks behind one: freeze a number of layers")
        prefix += f"{block}."
        if before := next(place for place, layer in enumerate(numbered) if layer.name.startswith(prefix)):
            return before


def _modules(network: nn.Module, what: str, paths: Collection[str]) -> FrozenLayers:
    match = re.fullmatch(r"(.+\.)?(\d+)-(\d+)", what)
    wanted = [f"{match[1] or ''}{number}" for number in range(int(match[2]), int(match[3]) + 1)] if match else [what]
    for path in wanted or [what]:
        if path not in paths:
            named = f"'{what}'; this network has no module '{path}'" if match else f"'{path}'; this network has no such"
            raise UserError(f"model.freeze is {named}{'' if match else ' module'}{did_you_mean(path, paths)}")
    modules = [network.get_submodule(path) for path in wanted]
    parameters = {
        f"{path}.{name}" for path, module in zip(wanted, modules, strict=True) for name, _ in module.named_parameters()
    }
    if not parameters:
        raise UserError(f"model.freeze is '{what}', {'modules' if match else 'a module'} without weights")
    return FrozenLayers(parameters, modules)


class _Trace:
    """One pass of shapes through a network: the called modules in order, their output shapes and FLOPs."""

    def __init__(self, network: nn.Module, spec: InputSpec) -> None:
        self.network = network
        self.calls: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        from torch.utils.flop_counter import FlopCounterMode  # imports triton, 75 MB

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
                handles.append(module.register_forward_pre_hook(partial(self._enter, name)))
                handles.append(module.register_forward_hook(partial(self._leave, name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str, module: nn.Module, args: tuple[object, ...]) -> None:
        if name not in self.calls:
            self.calls.append(name)

    def _leave(self, name: str, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            self.shapes.setdefault(name, tuple(first.shape[1:]))

    def layers(self) -> list[Layer]:
        """Return the layers; each parameter of the network belongs to one of them."""
        owners = self._owners()
        numbered: dict[str, Layer] = {}
        pending: list[str] = []  # of normalisations before the first layer
        last = ""
        for name in self.calls:
            parameters = owners.get(name, [])
            if not parameters:
                continue
            module = self.network.get_submodule(name)
            if isinstance(module, NORMALISATIONS):
                (numbered[last].parameters if last else pending).extend(parameters)
            else:
                shape = self.shapes.get(name, ())
                numbered[name] = Layer(name, type(module).__name__, shape, pending + parameters, 0, 0)
                pending, last = [], name
        for layer in numbered.values():
            layer.count = sum(self.network.get_parameter(name).numel() for name in layer.parameters)
            layer.flops = self.flops.get(layer.name, 0)
        return list(numbered.values())

    def _owners(self) -> dict[str, list[str]]:
        """Return the parameters of each called module.

        A parameter belongs to the module that holds it. If that module is never called (attention reads the weights of
        its projections itself), it belongs to the nearest called module around it. If that one contains layers (a class
        token, a layer's scale), it belongs to the first layer called inside.
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
