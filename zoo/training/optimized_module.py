"""OptimizedModule: how a network's optimizer, warm-up and schedule are built, tried and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
from torch import nn
from torch.optim import Optimizer

from zoo.core.errors import UserError
from zoo.data.datamodule import ImageDataModule
from zoo.training import optim
from zoo.training.lightning_internals import HookNameModule
from zoo.training.optim import DEFAULT_OPTIMIZER, ClassConfig
from zoo.training.optimizer_check import require_optimizer, require_scheduler


class OptimizedModule(HookNameModule):
    """A LightningModule with one optimizer, by its configuration.

    Attributes:
        optimizer: class and arguments.
        lr_scheduler: class and arguments; None keeps the learning rate.
        warmup_steps: in which the rate rises to that of the schedule.
        layer_rates: multiplier of a parameter's learning rate, by its name; 1 where there is none.
    """

    optimizer: ClassConfig = DEFAULT_OPTIMIZER
    lr_scheduler: ClassConfig | None = None
    warmup_steps = 0
    layer_rates: dict[str, float]

    def _trainer_or_none(self) -> pl.Trainer | None:
        try:
            return self.trainer
        except RuntimeError:  # this module is not attached to one
            return None

    def configure_optimizers(self) -> Any:
        """Build the optimizer over the parameters that train, and the scheduler over it."""
        optimizer = self.build_optimizer()
        if self.warmup_steps:
            optim.warm_up(optimizer, self.warmup_steps, lambda: self.trainer.global_step)
        if (
            self.lr_scheduler is None or getattr(self._trainer_or_none(), "max_epochs", None) == 0
        ):  # a solved head may be the whole training
            return optimizer
        schedule = optim.build_scheduler(self.lr_scheduler, optimizer, self._planned_steps)
        if "monitor" in schedule:  # a plateau schedule has nothing to go by in epochs without a validation
            schedule["frequency"] = getattr(self._trainer_or_none(), "check_val_every_n_epoch", None) or 1
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def require_optimizer(self) -> None:
        """Try optimizer and scheduler, as zoo fit does before it makes a run's folder.

        Raises:
            UserError: the optimizer cannot take a parameter of the network, or one of them its arguments.
        """
        require_optimizer(self.optimizer, dict(self._trained()))
        if self.lr_scheduler is not None:
            require_scheduler(self.lr_scheduler, self.optimizer)

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters that train, by name."""
        for name, value in self.named_parameters():  # a task may add modules to the network
            if value.requires_grad:
                yield name.removeprefix("network."), value

    def build_optimizer(self) -> Optimizer:
        """Build the optimizer over the parameters that train; with layer_decay each layer is one of its groups."""
        rated = [(value, self.layer_rates.get(name, 1.0)) for name, value in self._trained()]
        return optim.build_optimizer(self.optimizer, rated)

    def _planned_steps(self) -> int:
        """Return the optimizer steps of the whole training, by the length of the loader."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        if isinstance(data, ImageDataModule):
            steps = optim.planned_steps(self.trainer, len(data.train_dataloader()))
        else:
            steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            ends = "--trainer.max_epochs or --trainer.max_steps"
            raise UserError(f"{self._schedule_name()} needs to know where training ends: {ends}")
        return int(steps)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to train a run beyond the end of a schedule that ends with it, by a UserError."""
        if self._trainer_or_none() is None or self.lr_scheduler is None:
            return
        bounded = optim.ends_with_training(self.lr_scheduler)
        for state in checkpoint.get("lr_schedulers", []):
            length = state.get("total_steps", state.get("T_max") if bounded else None)
            if length is not None and length < self._planned_steps():
                raise UserError(
                    f"the run's {self._schedule_name()} ends after {length} steps, and {self._planned_steps()} are "
                    "asked for; leave --trainer.max_epochs as it was, or train a new run"
                )

    def _schedule_name(self) -> str:
        return "" if self.lr_scheduler is None else str(optim.class_of(self.lr_scheduler).__name__)
