"""The frozen part of a network of which nothing but the last layer trains; it needs no tracing.

network input ──► the whole network ──► what its last layer gets: features ──► last layer ──► logits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zoo.models.frozen_prefix import FrozenPrefix, NoPrefix, close, frozen_mode, observed
from zoo.models.head import Head


class HeadPrefix:
    """A network in two parts, of which the second is its last layer; used as ``FrozenPrefix``.

    Args:
        network: nothing but its last layer requires a gradient; it does not change.
        frozen: the frozen modules, which stay in evaluation mode.
        head: its last layer.
        example: network input ``(batch, channels, height, width)``, floating, on the network's device.

    Raises:
        NoPrefix: what the last layer gets is not the same in every epoch, or depends on the other images of a batch.
    """

    def __init__(self, network: nn.Module, frozen: Sequence[nn.Module], head: Head, example: Tensor) -> None:
        self.network, self.frozen, self.head = network, frozen, head
        self.description = str(network)
        features = self.features(example)
        self.width, self.dtype = features.shape[1], features.dtype
        with torch.no_grad(), frozen_mode(network, frozen, True):
            first, *changed = observed(network, partial(self._features, example))
            _, *before = observed(network, lambda: features)
            if not all(map(torch.equal, changed, before)):
                raise NoPrefix("the network draws random numbers or changes its buffers in front of its last layer")
            if not torch.equal(first, features):
                raise NoPrefix("what its last layer gets is not the same in training and in evaluation")
            if not close(head.logits(features), network.forward(example)):
                raise NoPrefix("the network goes on behind its last layer in training")
        if not close(self.features(example[[0, 0]])[:1], features[:1]):
            raise NoPrefix("what its last layer gets for an image depends on the other images of its batch")

    def state(self) -> Mapping[str, Tensor]:
        """Return the weights and buffers that decide the features."""
        last = tuple(f"{name}." for name in self.head.layers)
        return {name: value for name, value in self.network.state_dict().items() if not name.startswith(last)}

    def features(self, inputs: Tensor) -> Tensor:
        """Return features, ``(batch, width)`` of ``dtype``, of network input ``(batch, channels, height, width)``."""
        with frozen_mode(self.network, self.frozen, False):
            return self._features(inputs)

    def logits(self, features: Tensor, *, training: bool) -> Tensor:
        """Return logits ``(batch, classes)`` of features ``(batch, width)``."""
        return self.head.logits(features)

    def _features(self, inputs: Tensor) -> Tensor:
        return self.head.inputs(partial(self.network.forward, inputs))


#: A network in two parts.
Prefix = FrozenPrefix | HeadPrefix
