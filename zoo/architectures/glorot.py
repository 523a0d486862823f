"""The initial weights of Keras, for networks that reproduce Keras tutorials.

X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010),
https://proceedings.mlr.press/v9/glorot10a.html
"""

from __future__ import annotations

from torch import nn


def glorot_(network: nn.Module) -> nn.Module:
    """Draw the weights of every convolution and dense layer uniformly by Glorot's rule, set biases to 0; in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
