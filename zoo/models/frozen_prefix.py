"""Split a network into frozen prefix and trainable suffix; the prefix gives the same features in every epoch.

    network input ──► prefix: frozen layers ──► features ──► suffix: layers that train ──► logits

The split follows the data flow, by torch.fx: the prefix holds all operations that depend on the input and on frozen
modules alone. Prefix and suffix share their modules with the network, so training the suffix trains the network.
"""

from __future__ import annotations

import inspect
import pickle
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from zoo.models.shapes import restored_modes

#: Names of functions that draw random numbers; their results change from call to call.
RANDOM = re.compile(r".*dropout\w*|rand.*|bernoulli_?|multinomial|normal_?|uniform_|exponential_|stochastic_depth")


class NoPrefix(Exception):
    """The frozen layers cannot run once for all epochs; the text says why."""


@dataclass(frozen=True)
class _Layout:
    """Memory layout of one tensor of the features.

    The speed and the rounding of kernels depend on it, and ``view`` in the network's code works for its own alone.

    Args:
        shape: of one image, its dimensions in the order in which they lie in memory.
        dtype: of the tensor.
        order: dimensions of the tensor behind the batch, the outermost in memory first.
    """

    shape: torch.Size
    dtype: torch.dtype
    order: tuple[int, ...]

    @classmethod
    def of(cls, value: Tensor) -> _Layout:
        strides = value.stride()
        order = tuple(sorted(range(1, value.ndim), key=lambda dim: -strides[dim]))
        return cls(value.permute(0, *order).shape[1:], value.dtype, order)

    def flat(self, value: Tensor) -> Tensor:
        return value.permute(0, *self.order).flatten(1)

    def restored(self, part: Tensor) -> Tensor:
        value = part.to(self.dtype).contiguous().view(-1, *self.shape)
        return value.permute(0, *(1 + self.order.index(dim) for dim in range(1, value.ndim)))


class FrozenPrefix:
    """A network in two parts, and the layout of the features between them.

    Args:
        network: its frozen parameters require no gradient; it does not change.
        frozen: the frozen modules, which stay in evaluation mode.
        example: network input ``(batch, channels, height, width)``, floating, on the network's device.

    Raises:
        NoPrefix: the network cannot be traced, its first layers are not frozen, or the two parts together do not equal
            the network.
    """

    def __init__(self, network: nn.Module, frozen: Sequence[nn.Module], example: Tensor) -> None:
        with frozen_mode(network, frozen, True):
            train_prefix, self._train_suffix = _split(network, frozen, example)
        with frozen_mode(network, frozen, False):
            self.prefix, self._eval_suffix = _split(network, frozen, example)
        with torch.no_grad():
            values = self.prefix(example)
            _require_equal(values, train_prefix(example))
            self.layouts = [_Layout.of(value) for value in values]
            #: Type of the features: the widest of their parts.
            self.dtype = max((value.dtype for value in values), key=lambda dtype: dtype.itemsize)
            features = self.features(example)
            if not close(self.features(example[[0, 0]])[:1], features[:1]):
                raise NoPrefix("their output for an image depends on the other images of its batch")
            for training in (False, True):
                with frozen_mode(network, frozen, training):
                    whole = observed(network, lambda: network(example))
                    parts = observed(network, partial(self.logits, features, training=training))
                if not close(parts[0], whole[0]) or not all(map(torch.equal, parts[1:], whole[1:])):
                    raise NoPrefix("the network computes something else in two parts")

    @property
    def description(self) -> str:
        """The operations of the frozen part."""
        return str(self.prefix)

    def state(self) -> Mapping[str, Tensor]:
        """Return the weights and buffers that decide the features."""
        state: Mapping[str, Tensor] = self.prefix.state_dict()
        return state

    @property
    def width(self) -> int:
        """Numbers in the features of one image."""
        return sum(layout.shape.numel() for layout in self.layouts)

    def features(self, inputs: Tensor) -> Tensor:
        """Return features, ``(batch, width)`` of ``dtype``, of network input ``(batch, channels, height, width)``."""
        with torch.no_grad():
            pairs = zip(self.layouts, self.prefix(inputs), strict=True)
            return torch.cat([layout.flat(value).to(self.dtype) for layout, value in pairs], dim=1)

    def logits(self, features: Tensor, *, training: bool) -> Tensor:
        """Return logits ``(batch, classes)`` of features ``(batch, width)``, by the trainable suffix."""
        parts = torch.split(features, [layout.shape.numel() for layout in self.layouts], dim=1)
        values = [layout.restored(part) for layout, part in zip(self.layouts, parts, strict=True)]
        suffix = self._train_suffix if training else self._eval_suffix
        result: Tensor = suffix(*values)
        return result


def _require_equal(first: Sequence[Any], second: Sequence[Any]) -> None:
    """Compare two outputs of the same layers; NoPrefix if one bit differs."""
    pairs = zip(first, second, strict=False)
    if len(first) != len(second) or not all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b for a, b in pairs
    ):
        raise NoPrefix("their output changes from call to call")


def close(first: Tensor, second: Tensor) -> bool:
    """Tell whether two results are equal up to rounding."""
    tolerance = 2e-2 if second.dtype.itemsize == 2 else 1e-4  # half precision keeps 8 to 11 bits
    return torch.allclose(first, second, rtol=tolerance, atol=tolerance * float(second.abs().max()))


def observed(network: nn.Module, compute: Callable[[], Tensor]) -> list[Tensor]:
    """Return a result, the random state and the buffers after it; buffers and random state are restored."""
    buffers = dict(network.named_buffers())
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        result = compute()
        state = torch.get_rng_state()
    after = [buffer.clone() for buffer in buffers.values()]
    for name, buffer in buffers.items():
        buffer.copy_(before[name])
    return [result, state, *after]


@contextmanager
def frozen_mode(network: nn.Module, frozen: Sequence[nn.Module], training: bool) -> Iterator[None]:
    """Set a network's mode, that of frozen modules to evaluation, and restore each module's own mode at the end."""
    with restored_modes(network):
        network.train(training)
        for module in frozen:
            module.eval()
        yield


class _Tracer(fx.Tracer):
    """Records a network's operations; a module is a single one unless it holds both frozen modules and others.

    So the code of a module that trains need not be recorded: it may draw random numbers, count, or ask for values.
    """

    def __init__(self, frozen: set[nn.Module]) -> None:
        super().__init__()
        self.frozen = frozen

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        inside = any(module in self.frozen for module in m.modules())
        return m in self.frozen or not inside or super().is_leaf_module(m, module_qualified_name)


def _split(network: nn.Module, frozen: Sequence[nn.Module], example: Tensor) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Return prefix (network input to a tuple of batches) and suffix (those batches to logits).

    A frozen operation whose result is no batch, such as a size or a table of positions, is done in the suffix.
    """
    inside = {module for top in frozen for module in top.modules()}
    graph = _trace(network, inside)
    fixed = _fixed_nodes(graph, network, inside)
    batches = _Batches(fx.GraphModule(network, graph), fixed).of(example)
    for node in reversed(graph.nodes):
        if node in fixed and node not in batches and node.op != "get_attr" and node.users.keys() - fixed:
            if node.op == "call_module" and batches.intersection(node.all_input_nodes):
                raise NoPrefix("their output is not a batch of features")
            fixed.remove(node)
    crossing = [node for node in graph.nodes if node in fixed and node.op != "get_attr" and node.users.keys() - fixed]
    if not any(node.op == "call_module" for node in fixed):
        raise NoPrefix("they are not the first layers of the network")
    if all(node.op == "placeholder" for node in crossing):
        raise NoPrefix("their output is not a batch of features")
    prefix, suffix = fx.Graph(), fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    needed = set(crossing)
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    for node in graph.nodes:
        if node in needed or node.op == "placeholder":
            copies[node] = prefix.node_copy(node, copies.__getitem__)
    prefix.output(tuple(copies[node] for node in crossing))
    copies = {node: suffix.placeholder(f"features_{number}") for number, node in enumerate(crossing)}
    for node in graph.nodes:
        if node not in copies and (node not in fixed or (node.op == "get_attr" and node.users.keys() - fixed)):
            copies[node] = suffix.node_copy(node, copies.__getitem__)
    return fx.GraphModule(network, prefix), fx.GraphModule(network, suffix)


class _Batches(fx.Interpreter):
    """Finds the operations whose result has a row for each image."""

    def __init__(self, module: fx.GraphModule, fixed: set[fx.Node]) -> None:
        super().__init__(module)
        self.fixed = {node.name for node in fixed}
        self.names: set[str] = set()
        self.count = 0

    def of(self, example: Tensor) -> set[fx.Node]:
        """Return them, of the fixed operations, which run on an example."""
        self.count = len(example)
        try:
            with torch.no_grad():
                self.run(example)
        except Exception as error:  # tracing has recorded what the network's own code does for proxies alone
            raise _not_traced(error) from error
        return {node for node in self.graph.nodes if node.name in self.names}

    def run_node(self, n: fx.Node) -> Any:
        """Run a fixed operation; skip the others."""
        value = super().run_node(n) if n.name in self.fixed else None
        if isinstance(value, Tensor) and value.ndim > 0 and len(value) == self.count:
            self.names.add(n.name)
        return value


def _not_traced(error: Exception) -> NoPrefix:
    reason = (str(error).splitlines() or [""])[0]
    return NoPrefix(f"the network cannot be traced ({type(error).__name__}: {reason})")


def _trace(network: nn.Module, inside: set[nn.Module]) -> fx.Graph:
    """Record the network's operations; NoPrefix if that needs values, draws random numbers or changes buffers.

    A number that its own code draws or counts would become a constant of the record.
    """
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    options = inspect.signature(network.forward).parameters.values()
    defaults = {option.name: option.default for option in options if option.default is not option.empty}
    states = random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()
    try:
        graph = _Tracer(inside).trace(network, concrete_args=defaults)
    except Exception as error:  # tracing runs the network's own code, on proxies of tensors
        raise _not_traced(error) from error
    finally:
        now = random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(torch.from_numpy(states[2]))
        changed = [name for name, buffer in network.named_buffers() if not torch.equal(buffer, buffers[name])]
        with torch.no_grad():
            for name in changed:
                network.get_buffer(name).copy_(buffers[name])
    if changed or pickle.dumps(states) != pickle.dumps(now):
        raise NoPrefix("the network's own code draws random numbers, or counts, while it runs")
    return graph


def _fixed_nodes(graph: fx.Graph, network: nn.Module, inside: set[nn.Module]) -> set[fx.Node]:
    """Return the operations whose result depends on the input and on frozen modules alone."""
    fixed: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder":
            same = True
        elif node.op == "get_attr":
            value = attrgetter(str(node.target))(network)
            same = not (isinstance(value, Tensor) and value.requires_grad)
        elif node.op == "call_module":
            same = network.get_submodule(str(node.target)) in inside
        else:
            name = getattr(node.target, "__name__", str(node.target))
            same = node.op != "output" and not RANDOM.fullmatch(name)
        if same and all(source in fixed for source in node.all_input_nodes):
            fixed.add(node)
    return fixed
