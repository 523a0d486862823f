"""inverse_root: a learning rate scheduler, which is stepped after each epoch."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class InverseRoot(LambdaLR):
    """The rate divided by a power of the epoch's number, which starts at 1.

    Args:
        optimizer: whose rates it changes.
        power: 0.5 is the square root.
    """

    def __init__(self, optimizer: Optimizer, power: float = 0.5) -> None:
        super().__init__(optimizer, lambda epoch: (epoch + 1) ** -power)
