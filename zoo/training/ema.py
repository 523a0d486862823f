"""A moving average of the weights, which is validated, tested, exported and saved as a run's result.

step ──► weights ──► average ──► validation, best.ckpt, last.ckpt (which keeps both), test, predict, export
▲  └── the next step starts from the weights
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from zoo.core.errors import UserError


class Average(AveragedModel):
    """An AveragedModel that asks the GPU nothing: it counts its updates on the CPU.

    Args:
        average: a copy of the model, which becomes the average of its parameters and buffers.
        update: takes averages and new values of one dtype, and the count.
    """

    def __init__(self, average: nn.Module, update: Callable[[Any, Any, Tensor | int], None]) -> None:
        nn.Module.__init__(self)  # AveragedModel's own would copy the model once more
        self.module, self.use_buffers, self.avg_fn = average, True, None
        self.multi_avg_fn = self._update = update
        self.register_buffer("n_averaged", torch.tensor(0))

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's values into the average; the first time they become the average."""
        first, groups = int(self.n_averaged) == 0, defaultdict(list)
        for pair in zip(_values(self.module), _values(model), strict=True):
            groups[pair[0].dtype].append(pair)
        for pairs in groups.values():
            averages, currents = (list(part) for part in zip(*pairs, strict=True))
            if first:
                torch._foreach_copy_(averages, currents)
            else:
                self._update(averages, currents, self.n_averaged)
        self.n_averaged += 1


def _values(model: nn.Module) -> Iterator[Tensor]:
    return (value.detach() for value in chain(model.parameters(), model.buffers()))


class MovingAverage(WeightAveraging):
    """Averages weights and buffers after each optimizer step, with a decay that grows to its final value.

    In step n (0, 1, ...) the decay is at most (1 + n) / (10 + n), as in TensorFlow's ExponentialMovingAverage;
    otherwise the first, untrained weights would dominate the first epochs.

    In a checkpoint ``state_dict`` is the average, and ``current_model_state`` the weights that training continues from.

    Args:
        decay: share of the old average in the new one, in (0, 1).
        precision: of the trainer.

    Raises:
        UserError: the decay is outside its range, or the precision of the weights is too low for the small steps of an
            average.
    """

    def __init__(self, decay: float, precision: Any) -> None:
        if not 0 < decay < 1:
            raise UserError(f"model.ema is {decay}; allowed is more than 0 and less than 1 (0.999 is usual)")
        if str(precision) in ("bf16-true", "16-true", "transformer-engine", "transformer-engine-float16"):
            raise UserError(f"model.ema averages float32 weights; trainer.precision is {precision}, take bf16-mixed")
        super().__init__(multi_avg_fn=self._average)
        self.decay, self._step = decay, 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Create the average on the device of the training, where Lightning moves the module only later."""
        if stage == "fit":
            pl_module.to(trainer.strategy.root_device)
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            self._average_model = Average(self._average_model.module, self._average)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Update after each optimizer step."""
        self._step = step_idx or 0
        return step_idx is not None

    def _average(self, averages: Any, currents: Any, count: Tensor | int) -> None:
        limit = (1 + self._step) / (10 + self._step)
        update = get_ema_multi_avg_fn(min(self.decay, limit))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            update(averages, currents, count)
