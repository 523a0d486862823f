"""The memory format of features: channels last, which convolutions are faster with, or channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from zoo.core.foreign import is_users_stop
from zoo.core.spec import InputSpec
from zoo.models.shapes import restored_modes


def memory_format(channels_last: bool) -> torch.memory_format:
    """Return torch's value for it."""
    return torch.channels_last if channels_last else torch.contiguous_format


def set_memory_format(
    network: nn.Module, spec: InputSpec, channels_last: bool | None, require: Callable[[Any], object]
) -> bool:
    """Bring a network's weights into the requested format, or into the one that suits the network.

    Args:
        network: weights and buffers keep their values; modes and the random generator do not change.
        spec: channels and size of its images.
        channels_last: None takes channels last if the network supports it, which one image in evaluation tells.
        require: is called with what the network returns for that image, and raises where it breaks the contract.

    Returns:
        Whether the weights are channels last.
    """
    if channels_last is not False:
        network.to(memory_format=torch.channels_last)
    if channels_last is None:
        channels_last = _supports_channels_last(network, spec, require)
    network.to(memory_format=memory_format(channels_last))
    return channels_last


def _supports_channels_last(network: nn.Module, spec: InputSpec, require: Callable[[Any], object]) -> bool:
    """Tell whether a network with channels-last weights can process such an image.

    A network that calls ``x.view(len(x), -1)`` on feature maps cannot; one that calls ``flatten`` or ``reshape`` can.
    Only a real computation shows it, because shapes alone get another memory format from torch.
    """
    image = torch.zeros(1, spec.channels, spec.height, spec.width).to(memory_format=torch.channels_last)
    with restored_modes(network), torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            logits = network.eval()(image)
        except BaseException as error:  # the network's own code may raise anything; other faults show when it runs
            if is_users_stop(error):
                raise
            return False
        require(logits)
    return True
