"""Runs a network on shapes alone (torch's meta device), without any computation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from zoo.core.errors import brief
from zoo.core.foreign import is_users_stop

#: Images in the batch: two, because batch normalisation and some squeezes treat a single image differently.
BATCH = 2


def run_shapes(network: nn.Module, channels: int, height: int, width: int) -> None:
    """Pass BATCH images through a network in evaluation mode; its weights, buffers and modes do not change.

    Args:
        network: any module from ``(batch, channels, height, width)`` to logits.
        channels: of the images.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Raises:
        RuntimeError: or whatever else the network raises for a size that it does not support.
    """
    # One entry for each module that holds a tensor: functional_call restores a module of two names wrongly.
    shapes = {
        f"{path}.{name}" if path else name: torch.empty_like(tensor, device="meta")
        for path, module in network.named_modules()
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    }
    images = torch.empty(BATCH, channels, height, width, device="meta")
    with restored_modes(network), torch.no_grad():
        network.eval()
        try:
            torch.func.functional_call(network, shapes, (images,), tie_weights=False)
        except (KeyboardInterrupt, SystemExit) as error:
            if is_users_stop(error):
                raise
            raise RuntimeError(f"the network raises {brief(error)}") from error


@contextmanager
def restored_modes(network: nn.Module) -> Iterator[None]:
    """Restore each module's own mode, training or evaluation, at the end."""
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
