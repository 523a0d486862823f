"""Early stopping by validation accuracy."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer, callbacks

from zoo.core.console import print_stderr
from zoo.core.errors import UserError


class AccuracyEarlyStopping(callbacks.EarlyStopping):  # a name of its own: a config may say class_path: EarlyStopping
    """Stops training when val/accuracy, the figure that chooses best.ckpt, no longer rises.

    A stopped run is finished: resuming it does no step, unless the user asks for more patience.

    Args:
        patience: validations in a row without a new highest accuracy, 1 or more.
        limit_val_batches: share or number of validation batches, as the Trainer has it.

    Raises:
        UserError: the patience is less than 1, or there is no validation.
    """

    #: In checkpoints; it differs from that of Lightning's own callback, which a user may add.
    state_key = "NoProgress{'monitor': 'val/accuracy', 'mode': 'max'}"

    def __init__(self, patience: int, limit_val_batches: int | float | None) -> None:
        if patience < 1:
            raise UserError(f"early_stopping is {patience}; allowed is 1 or more, in epochs")
        if limit_val_batches == 0:
            raise UserError("early_stopping watches val/accuracy, and trainer.limit_val_batches 0 leaves none")
        super().__init__("val/accuracy", mode="max", patience=patience)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a run, but keep the patience of the current command."""
        patience = self.patience
        super().load_state_dict(state_dict)
        self.patience = patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not train a run that was stopped before."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print why training stopped."""
        if self.wait_count >= self.patience:
            count = f"{self.wait_count} epochs" if self.wait_count > 1 else "an epoch"
            print_stderr(
                f"stopped early: no val accuracy above {float(self.best_score):.1%} in {count} (--early_stopping)"
            )
