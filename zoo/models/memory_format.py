"""The order in which features lie in memory: channels last, which convolutions are fast with, or channels first."""

from __future__ import annotations

import torch
from torch import nn

from zoo.core.spec import InputSpec
from zoo.models.shapes import modes_kept


def memory_format(channels_last: bool) -> torch.memory_format:
    """Return torch's word for it."""
    return torch.channels_last if channels_last else torch.contiguous_format


def set_memory_format(network: nn.Module, spec: InputSpec, channels_last: bool | None) -> bool:
    """Bring a network's weights into the order asked for, or the one that suits them.

    Args:
        network: its weights and buffers keep their values; modes and random numbers stay untouched.
        spec: channels and size of its images.
        channels_last: None takes channels last where the network can work on them.

    Returns:
        Whether it is channels last.
    """
    if channels_last is not False:
        network.to(memory_format=torch.channels_last)
    if channels_last is None:
        channels_last = _works_channels_last(network, spec)
    network.to(memory_format=memory_format(channels_last))
    return channels_last


def _works_channels_last(network: nn.Module, spec: InputSpec) -> bool:
    """Tell whether a network whose weights lie channels last can work on such an image.

    One that calls ``x.view(len(x), -1)`` on maps of features cannot, where ``flatten`` and ``reshape`` can. Only
    computing shows it: without, torch gives features another memory format.
    """
    image = torch.zeros(1, spec.channels, spec.height, spec.width).to(memory_format=torch.channels_last)
    with modes_kept(network), torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            network.eval()(image)
        except Exception:  # whatever a network's own code raises; what else is wrong with it shows when it runs
            return False
    return True
