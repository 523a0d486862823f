"""Ends a training within a time: its epochs are fitted to the speed that is measured before the first of them.

first batches of training and validation ──► seconds of an epoch ──► epochs, and batches in each ──► schedule, config
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from zoo.core.console import print_stderr
from zoo.core.errors import UserError
from zoo.runs.folder import Run
from zoo.training.checkpoints import AtomicCheckpointIO
from zoo.training.progress import limited
from zoo.training.task import ImageClassifier, loss_of

#: Share of the time that measuring may take for each split, and its bounds in seconds.
SHARE, SHORTEST, LONGEST = 0.02, 0.5, 10.0

#: Steps before the measurement, in which libraries start.
WARM_UP = 1

#: What a report takes beside a pass over the validation images, and the end of the process, in seconds on two cores.
REPORT_SECONDS = 5.0

#: Time that is left for what runs slower later than it was measured.
MARGIN = 1.05

#: From so many epochs on, all of them are whole; fewer leave out batches, so that they fill the time.
WHOLE_EPOCHS = 5


@dataclass(frozen=True)
class Length:
    """How long to train.

    Args:
        epochs: their number.
        batches: training batches in each; None for all.
        every: epochs from one validation to the next.
    """

    epochs: int
    batches: int | None
    every: int


@dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training take.

    Args:
        train: a pass over the training batches.
        val: a pass over the validation batches.
        save: writing a checkpoint.
    """

    train: float
    val: float
    save: float

    @property
    def report(self) -> float:
        """Seconds after the last epoch."""
        return self.val + self.save + REPORT_SECONDS

    def fitting(self, seconds: float, batches: int, every: int) -> Length | None:
        """Return the longest training that ends within a time; None where not even one batch does.

        Args:
            seconds: that are left, the report included.
            batches: training batches of a whole epoch.
            every: epochs from one validation to the next.
        """
        after = self.val + 2 * self.save
        room = (seconds - self.report) / MARGIN
        count = math.floor(room / (self.train + after / every))
        if count >= WHOLE_EPOCHS:
            every = min(every, count)
            return Length(count - count % every, None, every)
        count = max(1, count + 1)
        every = every if count % every == 0 else count
        in_each = math.floor((room / count - after / every) / self.train * batches)
        return Length(count, in_each, every) if in_each >= 1 else None


class TimeBudget(Callback):
    """Measures the speed, sets the length of the training, and ends it where it turns out slower.

    It stands behind what runs frozen layers once: the time that this takes is spent when it measures. Measuring leaves
    weights, random numbers and the order of images as they were.

    Args:
        run: the folder.
        seconds: from ``begin`` until the report is written.
        begin: when the time began, of ``time.monotonic()``.
        record: takes the length, before the first epoch, and puts it into the run's configuration.
        notify: prints a line.
        solved: whether the last layer is solved, which is the training where there is no time for a step.
    """

    def __init__(
        self,
        run: Run,
        seconds: float,
        begin: float,
        record: Callable[[Length], None],
        notify: Callable[[str], None] = print_stderr,
        *,
        solved: bool = False,
    ) -> None:
        self.run, self.seconds, self.begin, self.text = run, seconds, begin, f"{seconds:g}s"
        self.record, self.notify, self.solved = record, notify, solved
        self._stop_at = math.inf
        self._stopped = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, and set epochs, batches and the schedule."""
        if trainer.world_size > 1:
            raise UserError(
                f"--time is {self.text} and trains in one process, received {trainer.world_size} devices; add "
                "--trainer.devices 1, or give --trainer.max_epochs in its place"
            )
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        batches = limited(len(data.train_dataloader()), trainer.limit_train_batches)
        costs = self._measure(trainer, pl_module, batches)
        spent = time.monotonic() - self.begin
        length = costs.fitting(self.seconds - spent, batches, trainer.check_val_every_n_epoch or 1)
        if length is None and self.solved:
            length = Length(0, None, 1)
        if length is None:
            least = math.ceil(spent + costs.report + MARGIN * (costs.train / batches + costs.val + 2 * costs.save))
            raise UserError(f"--time is {self.text}, too short for a single step; allowed is {least}s or more")
        trainer.fit_loop.max_epochs, trainer.check_val_every_n_epoch = length.epochs, length.every
        if length.batches is not None:
            trainer.limit_train_batches = length.batches
        trainer.strategy.setup_optimizers(trainer)  # a schedule has the training's length
        self.record(length)
        self._stop_at = self.begin + self.seconds - costs.report - costs.val - 2 * costs.save
        count = "1 epoch" if length.epochs == 1 else f"{length.epochs:,} epochs"
        if length.epochs == 0:
            count = "no time for an epoch, the solved last layer is the result"
        part = "" if length.batches is None else f" of {length.batches:,} steps"
        self.notify(
            f"--time {self.text}: {count}{part}; measured: {costs.train:.3g} s for {batches:,} steps, which are all "
            f"images, and {costs.val:.3g} s for a validation"
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the training, with a validation, where the time that is left is needed for it and the report."""
        if time.monotonic() < self._stop_at or trainer.should_stop:
            return
        last = trainer.current_epoch + 1 == trainer.max_epochs and trainer.is_last_batch
        trainer.should_stop, self._stopped = True, not last
        trainer.check_val_every_n_epoch = 1

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where training was slower than measured."""
        if self._stopped:
            self.notify(
                f"stopped in epoch {trainer.current_epoch} of {trainer.max_epochs}: training is slower than measured, "
                f"and --time {self.text} is over"
            )

    def _measure(self, trainer: Trainer, module: LightningModule, batches: int) -> Costs:
        """Return what an epoch costs; weights and random numbers are as before afterwards."""
        assert isinstance(module, ImageClassifier)
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        precision, [optimizer] = trainer.precision_plugin, trainer.optimizers
        seconds = min(max(SHARE * self.seconds, SHORTEST), LONGEST)

        def train(batch: Any, number: int) -> None:
            def closure() -> Tensor:
                optimizer.zero_grad()
                with precision.train_step_context():
                    loss = loss_of(module.training_step(batch, number))
                torch.autograd.backward(loss)
                return loss.detach()

            optimizer.step(closure)  # type: ignore[arg-type]  # torch says it returns a float

        def validate(batch: Any, number: int) -> None:
            with precision.val_step_context():
                module.validation_step(batch, number)

        def spent(loader: Iterable[Any], step: Callable[[Any, int], None], count: int) -> float:
            return _pass_seconds(trainer, loader, step, count, seconds)

        before, training = deepcopy(module.state_dict()), module.training
        with isolate_rng():
            module.train()
            train_loader, val_loader = data.train_dataloader(), data.val_dataloader()
            spent(train_loader, train, min(batches, WARM_UP))
            train_seconds = spent(train_loader, train, batches)
            save_seconds = self._save_seconds({"state_dict": before, "optimizer": optimizer.state_dict()})
            module.eval()
            with torch.no_grad():
                val_seconds = spent(val_loader, validate, limited(len(val_loader), trainer.limit_val_batches))
        module.val_metrics.reset()
        module.train(training)
        optimizer.zero_grad()
        module.load_state_dict(before)
        return Costs(train_seconds, val_seconds, save_seconds)

    def _save_seconds(self, state: dict[str, Any]) -> float:
        """Return how long it takes to write a checkpoint of this state."""
        path, begin = self.run.last.with_name("measured.ckpt"), time.perf_counter()
        AtomicCheckpointIO().save_checkpoint(state, path)
        path.unlink()
        return time.perf_counter() - begin


def _pass_seconds(
    trainer: Trainer, loader: Iterable[Any], step: Callable[[Any, int], None], batches: int, seconds: float
) -> float:
    """Return how long a pass over so many batches takes, by passes or by the part of one that ``seconds`` allow."""
    device, passes, begin = trainer.strategy.root_device, 0, time.perf_counter()
    while batches and (passes == 0 or time.perf_counter() - begin < seconds):
        first = start = time.perf_counter()
        for number, batch in enumerate(islice(loader, batches)):
            step(trainer.strategy.batch_to_device(batch), number)
            if number == 0:  # it waits for readers; a slow step is enough by itself
                first = _now(device)
                if first - start > 3 * seconds:
                    return (first - start) * batches
            elif passes == 0 and time.perf_counter() - start > seconds:
                return first - start + (_now(device) - first) / number * (batches - 1)
        passes += 1
    return (_now(device) - begin) / max(passes, 1)


def _now(device: torch.device) -> float:
    """Return the time at which a device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
