"""Early stopping by the validation figure that chooses best.ckpt."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from zoo.core.console import print_stderr
from zoo.core.errors import UserError
from zoo.runs.metrics import Monitor
from zoo.training.progress import epochs_done, is_fitting


class MonitorEarlyStopping(Callback):  # a name of its own: a config may say class_path: EarlyStopping
    """Stops training when the monitored figure has had no better value for a number of epochs.

    Each validation counts, inside epochs and after several: training stops after the first one that comes at least
    ``patience`` epochs after the best. A stopped run is finished: resuming it does no step, unless the user asks for
    more patience.

    Args:
        patience: epochs, 1 or more.
        limit_val_batches: share or number of validation batches, as the Trainer has it.
        monitor: the figure.

    Raises:
        UserError: the patience is less than 1, or there is no validation.
    """

    #: In checkpoints; it differs from that of Lightning's own callback, which a user may add.
    state_key = "NoProgress{'monitor': 'val/accuracy', 'mode': 'max'}"

    def __init__(self, patience: int, limit_val_batches: int | float | None, monitor: Monitor | None = None) -> None:
        self.monitor = monitor or Monitor()
        if patience < 1:
            raise UserError(f"early_stopping is {patience}; allowed is 1 or more, in epochs")
        if limit_val_batches == 0:
            raise UserError(f"early_stopping watches {self.monitor.name}, and trainer.limit_val_batches 0 leaves none")
        self.patience = patience
        self.best: float | None = None
        #: Epochs trained at the best validation, and at the last one.
        self.best_at = self.last_at = 0.0
        #: Epochs since the best validation, in a checkpoint of an earlier version.
        self._waited: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not train a run that was stopped before."""
        if self._waited is not None:
            self.last_at = float(trainer.current_epoch)
            self.best_at, self._waited = self.last_at - self._waited, None
        trainer.should_stop = trainer.should_stop or self._ended

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the figure with the best, and stop when it was the best long enough."""
        score = self.monitor.score(trainer.callback_metrics)
        if score is None or not is_fitting(trainer):
            return
        self.last_at = epochs_done(trainer)
        if self.best is None or score[0] > self.best:
            self.best, self.best_at = score[0], self.last_at
        trainer.should_stop = trainer.should_stop or self._ended

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print why training stopped."""
        if self._ended and self.best is not None:
            waited = self.last_at - self.best_at
            count = f"{waited:.3g} epochs" if waited > 1 else "an epoch"
            text = f"no {self.monitor.title} {'below' if self.monitor.better == 'lower' else 'above'}"
            print_stderr(f"stopped early: {text} {self.monitor.text(abs(self.best))} in {count} (--early_stopping)")

    @property
    def _ended(self) -> bool:
        return self.last_at - self.best_at >= self.patience - 1e-6  # parts of epochs are not exact

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, when it was reached, and when the last validation was."""
        return {"monitor": self.monitor.name, "best": self.best, "best_at": self.best_at, "last_at": self.last_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a run, but not its patience, which is the current command's."""
        if "wait_count" in state_dict:  # of an earlier version: Lightning's counter of validations, one an epoch
            self.best, self._waited = float(state_dict["best_score"]), float(state_dict["wait_count"])
        elif state_dict["monitor"] == self.monitor.name:
            self.best = None if state_dict["best"] is None else float(state_dict["best"])
            self.best_at, self.last_at = float(state_dict["best_at"]), float(state_dict["last_at"])
