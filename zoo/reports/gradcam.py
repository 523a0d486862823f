"""Compute Grad-CAM heat maps: the places of an image that speak for the predicted class.

    image ──► … ──► last feature map (channels, rows, columns) ──► … ──► score of the class
                         │  weights: mean gradient of the score, for each channel
                         └──► relu(sum of weights x channels) ──► resized to the image

Source: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization"
(2017), https://arxiv.org/abs/1610.02391
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: Largest ratio between how much a feature map shrinks the two sides of an image: 7 pixels may become 3 or 4.
UNEVEN = 1.5


@dataclass(frozen=True)
class FeatureMap:
    """Where a network computes its last feature map.

    Args:
        module: path of the module whose output it is, such as ``layer4``.
        call: which call of the module in one forward pass, from 0.
        size: its rows and columns.
    """

    module: str
    call: int
    size: tuple[int, int]


def find_feature_map(network: nn.Module, inputs: Tensor) -> FeatureMap | None:
    """Return the last module output that is a map of the image with several positions, or None.

    A map is ``(batch, channels, rows, columns)`` and shrinks both sides of the image about equally; an attention's
    ``(batch, heads, tokens, width)`` does not.

    Args:
        network: in evaluation mode.
        inputs: floating ``(batch, channels, height, width)``.
    """
    last: FeatureMap | None = None
    calls: dict[str, int] = {}

    def record(name: str, output: Any) -> None:
        nonlocal last
        calls[name] = calls.get(name, -1) + 1
        if isinstance(output, Tensor) and output.ndim == 4 and len(output) == len(inputs):
            rows, columns = output.shape[2:]
            down, across = inputs.shape[2] / rows, inputs.shape[3] / columns
            if rows * columns > 1 and min(down, across) >= 1 and max(down, across) <= UNEVEN * min(down, across):
                last = FeatureMap(name, calls[name], (rows, columns))

    def hook(name: str) -> Any:
        return lambda module, args, output: record(name, output)

    # The output of these modules has any shape that their input has, such as the weights of an attention.
    shapeless = nn.Dropout | nn.Identity | nn.Softmax
    modules = [(name, module) for name, module in network.named_modules() if name and not isinstance(module, shapeless)]
    handles = [module.register_forward_hook(hook(name)) for name, module in modules]
    try:
        with torch.no_grad():
            network.forward(inputs)  # past torch.compile, which would compile anew for each number of images
    finally:
        for handle in handles:
            handle.remove()
    return last


def heat_maps(network: nn.Module, inputs: Tensor, feature_map: FeatureMap) -> Tensor:
    """Return how much each place of an image speaks for the predicted class.

    Args:
        network: in evaluation mode; its weights and their gradients do not change.
        inputs: floating ``(batch, channels, height, width)``.
        feature_map: of the network, from ``find_feature_map``.

    Returns:
        float32 ``(batch, height, width)`` on the CPU, 0 to 1; the largest value of each image is 1, or 0 if nothing
        speaks for the class.
    """
    maps: list[Tensor] = []
    calls = 0

    def start_graph(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        """Start the graph at the feature map: earlier layers need no memory for gradients and may be frozen."""
        nonlocal calls
        calls += 1
        if calls != feature_map.call + 1:
            return None
        maps.append(output.detach().requires_grad_())
        return maps[0].clone()  # the next layer may work in place, which autograd forbids on a leaf

    handle = network.get_submodule(feature_map.module).register_forward_hook(start_graph)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            scores = network.forward(inputs).amax(dim=1).sum()
            [gradient] = torch.autograd.grad(scores, maps)
    finally:
        handle.remove()
    weights = gradient.float().mean(dim=(2, 3), keepdim=True)
    heat = (weights * maps[0].detach().float()).sum(dim=1, keepdim=True).relu()
    heat = nn.functional.interpolate(heat, inputs.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return (heat / heat.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)).cpu()
