"""Ctrl-C, SIGTERM and SLURM's SIGUSR1 while training: finish the step, save a checkpoint, exit."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from zoo.core.launcher import detect
from zoo.runs.folder import Run
from zoo.training.slurm import can_requeue, requeue

#: Seconds between two questions to all processes whether one of them got a signal: each costs a message.
BETWEEN_POLLS = 1.0

#: Steps between two questions, at most.
MOST_STEPS = 50

#: Seconds in which a second signal is the same one: a launcher passes on what the terminal sends to its processes too.
SAME_SIGNAL = 1.0


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
    the end of the epoch, after its validation. Of several processes, all stop at the same step, about a second after
    one of them got the signal.

    In a job of SLURM, SIGUSR1 (``#SBATCH --signal=USR1@120``) does the same, and puts the job back into the queue.

    Args:
        run: where the checkpoint goes.
        own_process: let the second signal end the process at once, instead of raising Interrupted.
        by_name: whether the same command, started again, goes on with the run.
    """

    def __init__(self, run: Run, own_process: bool = True, by_name: bool = False) -> None:
        self.run, self.own_process, self.by_name = run, own_process, by_name
        self.signum: int | None = None
        #: The signal that all processes know of.
        self._agreed: int | None = None
        #: When the first signal came, and when all processes were asked for one.
        self._came = self._polled = 0.0
        #: Steps since then, and until all processes are asked again.
        self._steps, self._wait = 0, 1
        self._launched = False
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the signal handlers; Lightning has set its own by now, and at the end restores those before them."""
        self._polled = time.monotonic()
        self._launched = detect(os.environ) is not None
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if can_requeue(os.environ) else [])]
            self._previous = {number: signal.signal(number, self._handle) for number in numbers}

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
        self._steps += 1
        self._ask(trainer, now=self._steps >= self._wait)
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if self._agreed is not None and stepped and not trainer.is_last_batch:
            trainer.save_checkpoint(self.run.last)
            self._leave(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exit if a signal came after the last step of the previous epoch, whose checkpoint is saved."""
        self._ask(trainer, now=True)
        if self._agreed is not None:
            self._leave(trainer)

    def _ask(self, trainer: Trainer, *, now: bool) -> None:
        """Ask all processes for a signal where it is time, and agree on the step at which to ask again."""
        if trainer.world_size == 1:
            self._agreed = self.signum
        elif now:
            time_now = time.monotonic()
            seconds = (time_now - self._polled) / max(1, self._steps)
            own = torch.tensor([float(self.signum or 0), seconds], device=trainer.strategy.root_device)
            signum, slowest = trainer.strategy.reduce(own, reduce_op="max").tolist()
            self._agreed = int(signum) or None
            self._polled, self._steps = time_now, 0
            self._wait = min(MOST_STEPS, max(1, int(BETWEEN_POLLS / max(slowest, 1e-6))))

    def _leave(self, trainer: Trainer) -> NoReturn:
        if self._agreed == signal.SIGUSR1 and trainer.is_global_zero:
            requeue(os.environ, f"resume with: zoo fit {self.run.path}", by_name=self.by_name)
        raise Interrupted(self._agreed or signal.SIGTERM)

    def _handle(self, signum: int, frame: Any) -> None:
        if self.signum is None:
            self.signum, self._came = signum, time.monotonic()
            print("\nstopping after this step; once more leaves at once, without saving", file=sys.stderr, flush=True)
        elif self._launched and time.monotonic() - self._came < SAME_SIGNAL:
            return
        elif self.own_process:
            os._exit(128 + signum)
        else:
            raise Interrupted(signum)
