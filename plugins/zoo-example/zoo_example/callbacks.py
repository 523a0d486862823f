"""weight_norm: a callback, which adds a column to metrics.csv."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class WeightNorm(Callback):
    """Log the norm of all parameters after each epoch.

    Args:
        order: 2 is the Euclidean norm, 1 the sum of absolute values.
    """

    def __init__(self, order: float = 2.0) -> None:
        self.order = order

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the norm into every logger; metrics.csv is one."""
        weights = torch.cat([value.detach().flatten() for value in pl_module.parameters()])
        for logger in trainer.loggers:
            logger.log_metrics({"weight_norm": float(weights.norm(self.order))}, trainer.global_step)
