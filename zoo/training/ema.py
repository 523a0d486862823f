"""A moving average of the weights, which is what is validated, tested, exported and kept as a run's result.

step ──► weights ──► average ──► validation, best.ckpt, last.ckpt (which keeps both), test, predict, export
▲  └── the next step goes on from the weights themselves
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from zoo.core.errors import UserError


class MovingAverage(WeightAveraging):
    """Lightning's averaging of weights and buffers after each optimizer step, with a decay that grows to its value.

    In step n the decay is at most (1 + n) / (10 + n), as TensorFlow's ExponentialMovingAverage has it: else the first,
    untrained weights would weigh on the first epochs.

    In a checkpoint ``state_dict`` is the average, and ``current_model_state`` what training goes on from.

    Args:
        decay: what the average keeps of itself in a step, in (0, 1).
        precision: of the trainer.

    Raises:
        UserError: the decay is outside its range, or the weights are of a precision that loses the small steps of an
            average.
    """

    def __init__(self, decay: float, precision: Any) -> None:
        if not 0 < decay < 1:
            raise UserError(f"model.ema is {decay}; allowed is more than 0 and less than 1 (0.999 is usual)")
        if str(precision) in ("bf16-true", "16-true", "transformer-engine", "transformer-engine-float16"):
            raise UserError(f"model.ema averages float32 weights; trainer.precision is {precision}, take bf16-mixed")
        super().__init__(multi_avg_fn=self._average)
        self.decay = decay

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the average, on the device where training will be."""
        self._device = trainer.strategy.root_device  # the module comes there later
        super().setup(trainer, pl_module, stage)

    def _average(self, averages: Any, currents: Any, count: Tensor | int) -> None:
        warm = self._latest_update_step
        update = get_ema_multi_avg_fn(min(self.decay, (1 + warm) / (10 + warm)))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            update(averages, currents, count)
