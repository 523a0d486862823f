"""Whole batches for a compiled network: it is compiled for one number of images, and the last batch has fewer.

    fewer images ──► as many as compiled for, the last one repeated ──► network ──► logits of the images that came

torch would compile the network again for the smaller batch, which takes as long as the first time. Loss and metrics see
the images that came and no other, and no gradient comes from the repeated ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

#: Modes of torch.compile that replay CUDA graphs, whose outputs the next batch overwrites.
GRAPH_MODES = ("reduce-overhead", "max-autotune")


class CompiledNetwork:
    """Compiles a network in place, and runs it on batches of as many images as it was compiled for.

    Where BatchNorm trains with the statistics of each batch, repeated images would change them: a smaller batch
    then runs without the compiled code.

    Args:
        network: to compile.
        mode: of torch.compile; True is its default.
    """

    def __init__(self, network: nn.Module, mode: bool | str) -> None:
        network.compile(**({} if mode is True else {"mode": mode}))
        self._network, self._replays_graphs = network, mode in GRAPH_MODES
        #: Images of a whole batch, in training and in evaluation.
        self._sizes = {True: 0, False: 0}

    def logits(self, call: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Return the logits ``(batch, classes)`` of a batch.

        Args:
            call: computes logits ``(batch, classes)`` by the network.
            images: what it takes, ``(batch, ...)``.
        """
        training, count = self._network.training, len(images)
        size = self._sizes[training] = max(self._sizes[training], count)
        if count < size and training and self._sees_whole_batch():
            with torch.compiler.set_stance("force_eager"):
                return call(images)
        if count < size:
            images = images[torch.arange(size, device=images.device).clamp(max=count - 1)]  # keeps the memory format
        logits = call(images)[:count]
        return logits.clone() if self._replays_graphs else logits

    def _sees_whole_batch(self) -> bool:
        return any(isinstance(module, _BatchNorm) and module.training for module in self._network.modules())
