"""Ends a training that has stopped getting better."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from zoo.core.console import print_stderr
from zoo.core.errors import UserError


class NoProgress(EarlyStopping):
    """Lightning's early stopping by val/accuracy, the figure that best.ckpt is chosen by.

    A run that it ended is finished: resuming does no step, unless more patience is asked for.

    Args:
        patience: validations in a row without a higher accuracy than all before them, 1 or more.
        validated: share or number of validation batches, as Trainer has it.

    Raises:
        UserError: the patience is less than 1, or nothing is validated.
    """

    def __init__(self, patience: int, validated: int | float | None) -> None:
        if patience < 1:
            raise UserError(f"early_stopping is {patience}; allowed is 1 or more, in epochs")
        if validated == 0:
            raise UserError("early_stopping watches val/accuracy, and trainer.limit_val_batches 0 leaves none")
        super().__init__("val/accuracy", mode="max", patience=patience)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what the run had, with the patience that is asked for now."""
        patience = self.patience
        super().load_state_dict(state_dict)
        self.patience = patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave a run as it is that was ended before."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say why training ended."""
        if self.wait_count >= self.patience:
            count = f"{self.wait_count} epochs" if self.wait_count > 1 else "an epoch"
            print_stderr(
                f"stopped early: no val accuracy above {float(self.best_score):.1%} in {count} (--early_stopping)"
            )
