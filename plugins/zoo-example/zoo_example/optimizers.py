"""sign_sgd: an optimizer; what it must know to continue would be in ``self.state``, which checkpoints hold."""

from __future__ import annotations

from typing import Any

import torch


class SignSGD(torch.optim.Optimizer):
    """Steps of one size, in the direction of each gradient's sign.

    Args:
        params: of the network.
        lr: size of a step.
    """

    def __init__(self, params: Any, lr: float = 0.001) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Compute loss and gradients by the closure, change the parameters, and return the loss."""
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for value in group["params"]:
                if value.grad is not None:
                    value -= group["lr"] * value.grad.sign()
        return loss
