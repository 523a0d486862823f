"""Grad-CAM: where in an image a convolutional network found the class it answers.

    image ──► … ──► last feature map (channels, rows, columns) ──► … ──► score of the class
                         │  weights: mean gradient of the score, channel by channel
                         └──► relu(sum of weights x channels) ──► scaled to the image

Source: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization"
(2017), https://arxiv.org/abs/1610.02391
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: How much the two sides of an image may differ in how far a feature map shrinks them: 7 pixels may become 3 or 4.
UNEVEN = 1.5


@dataclass(frozen=True)
class FeatureMap:
    """Where a network's last feature map comes from.

    Args:
        module: the path of the module that gives it, such as ``layer4``.
        call: which of the module's calls in one forward pass, from 0.
        size: its rows and columns.
    """

    module: str
    call: int
    size: tuple[int, int]


def find_feature_map(network: nn.Module, inputs: Tensor) -> FeatureMap | None:
    """Return the last output of a module that is a map of the image with more than one place; None where none is.

    A map is ``(batch, channels, rows, columns)`` that shrinks both sides of the image about alike: an attention's
    ``(batch, heads, tokens, width)`` is none.

    Args:
        network: in evaluation mode.
        inputs: floating ``(batch, channels, height, width)``.
    """
    found: FeatureMap | None = None
    calls: dict[str, int] = {}

    def look(name: str, output: Any) -> None:
        nonlocal found
        calls[name] = calls.get(name, -1) + 1
        if isinstance(output, Tensor) and output.ndim == 4 and len(output) == len(inputs):
            rows, columns = output.shape[2:]
            down, across = inputs.shape[2] / rows, inputs.shape[3] / columns
            if rows * columns > 1 and min(down, across) >= 1 and max(down, across) <= UNEVEN * min(down, across):
                found = FeatureMap(name, calls[name], (rows, columns))

    def hook(name: str) -> Any:
        return lambda module, args, output: look(name, output)

    modules = [(name, module) for name, module in network.named_modules() if name and not _is_shapeless(module)]
    handles = [module.register_forward_hook(hook(name)) for name, module in modules]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def heat_maps(network: nn.Module, inputs: Tensor, feature_map: FeatureMap) -> Tensor:
    """Return how much each place of an image speaks for the class that the network answers.

    Args:
        network: in evaluation mode; neither its weights nor their gradients change.
        inputs: floating ``(batch, channels, height, width)``.
        feature_map: what ``find_feature_map`` returned for the network.

    Returns:
        float32 ``(batch, height, width)`` on the CPU, from 0 to 1, the highest of each image 1; all 0 where nothing
        speaks for the class.
    """
    maps: list[Tensor] = []
    calls = 0

    def cut(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        """Let the graph begin here, so that what comes before needs no memory and may be frozen."""
        nonlocal calls
        calls += 1
        if calls != feature_map.call + 1:
            return None
        maps.append(output.detach().requires_grad_())
        return maps[0].clone()  # what follows may work in place, which a leaf forbids

    handle = network.get_submodule(feature_map.module).register_forward_hook(cut)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            scores = network(inputs).amax(dim=1).sum()
            [gradient] = torch.autograd.grad(scores, maps)
    finally:
        handle.remove()
    [features] = maps
    weights = gradient.float().mean(dim=(2, 3), keepdim=True)
    heat = (weights * features.detach().float()).sum(dim=1, keepdim=True).relu()
    heat = nn.functional.interpolate(heat, inputs.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return (heat / heat.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)).cpu()


def _is_shapeless(module: nn.Module) -> bool:
    """Tell modules whose output has whatever shape their input has, such as an attention's weights."""
    return isinstance(module, nn.Dropout | nn.Identity | nn.Softmax)
