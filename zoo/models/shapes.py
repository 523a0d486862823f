"""Tries a network on one size of images: on shapes alone, without computing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

#: Images in the batch: two, because batch normalisation and squeezes treat one differently.
BATCH = 2


def run_shapes(network: nn.Module, channels: int, height: int, width: int) -> None:
    """Pass a batch of BATCH images through a network in evaluation mode; its weights, buffers and modes stay untouched.

    Args:
        network: any module from ``(batch, channels, height, width)`` to logits.
        channels: of the images.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Raises:
        RuntimeError: or what else the network raises for a size it cannot work at.
    """
    # Each tensor once for each module that holds it: functional_call puts a module that has two names back wrongly.
    shapes = {
        f"{path}.{name}" if path else name: torch.empty_like(tensor, device="meta")
        for path, module in network.named_modules()
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    }
    images = torch.empty(BATCH, channels, height, width, device="meta")
    with modes_kept(network), torch.no_grad():
        network.eval()
        torch.func.functional_call(network, shapes, (images,), tie_weights=False)


@contextmanager
def modes_kept(network: nn.Module) -> Iterator[None]:
    """Put every module back into its own mode afterwards, training or evaluation."""
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
