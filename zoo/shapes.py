"""Tries a network on one size of images: on shapes alone, without computing anything, or in a memory format."""

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


def works_channels_last(network: nn.Module, channels: int, height: int, width: int) -> bool:
    """Tell whether a network can work on images that lie in memory channels last, as convolutions like them.

    One that calls ``x.view(len(x), -1)`` on maps of features cannot, where ``flatten`` and ``reshape`` can. Only
    computing shows it: without, torch gives features another memory format.

    Args:
        network: its weights lie channels last; buffers, modes and random numbers stay untouched.
        channels: of the images.
        height: of the images, in pixels.
        width: of the images, in pixels.
    """
    image = torch.zeros(1, channels, height, width).to(memory_format=torch.channels_last)
    with modes_kept(network), torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            network.eval()(image)
        except Exception:  # whatever a network's own code raises; what else is wrong with it shows when it runs
            return False
    return True


@contextmanager
def modes_kept(network: nn.Module) -> Iterator[None]:
    """Put every module back into its own mode afterwards, training or evaluation."""
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
