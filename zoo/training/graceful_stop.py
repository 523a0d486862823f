"""Ctrl-C and SIGTERM while training: finish the step, save a checkpoint, exit."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from zoo.runs.folder import Run


class Interrupted(BaseException):
    """Training was stopped by a signal after a checkpoint was saved.

    Args:
        signum: of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_status = 128 + signum


class GracefulStop(Callback):
    """Saves a checkpoint after the step in which the first SIGINT or SIGTERM comes; the second exits at once.

    It saves only where a resumed run can continue exactly: after an optimizer step that is not the epoch's last, or at
    the end of the epoch, after its validation.

    Args:
        run: where the checkpoint goes.
        own_process: let the second signal end the process at once, instead of raising Interrupted.
    """

    def __init__(self, run: Run, own_process: bool = True) -> None:
        self.run, self.own_process = run, own_process
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the signal handlers; Lightning has set its own by now, and at the end restores those before them."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the handlers."""
        self.on_train_end(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and exit if a signal came and this is not the epoch's last batch."""
        if not self._requested(trainer):
            return
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if stepped and not trainer.is_last_batch:
            trainer.save_checkpoint(self.run.last)
            raise Interrupted(self.signum or signal.SIGTERM)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exit if a signal came after the last step of the previous epoch, whose checkpoint is saved."""
        if self._requested(trainer):
            raise Interrupted(self.signum or signal.SIGTERM)

    def _requested(self, trainer: Trainer) -> bool:
        requested = self.signum is not None
        if trainer.world_size > 1:  # all processes must save at the same step
            requested = trainer.strategy.reduce_boolean_decision(requested, all=False)
        return requested

    def _handle(self, signum: int, frame: Any) -> None:
        if self.signum is None:
            self.signum = signum
            print("\nstopping after this step; once more leaves at once, without saving", file=sys.stderr, flush=True)
        elif self.own_process:
            os._exit(128 + signum)
        else:
            raise Interrupted(signum)
