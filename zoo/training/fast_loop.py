"""A training step without the calls of hooks that nobody has filled, which cost a small network a tenth of its time.

    Lightning's step    every hook of every callback, the module, the data module and the strategy, each by its name
    the same here       batch ──► callbacks that listen ──► training_step ──► zero_grad ──► backward ──► optimizer
                              ──► schedulers ──► callbacks that listen

What is done, its order, the counts of progress and what callbacks receive are the same. Wherever a hook within the step
is filled, gradients are clipped or accumulated, or the training is not of one CPU, Lightning's own step is taken.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor

from zoo.training.fast_settings import NoProfiler
from zoo.training.task import ImageClassifier

#: What Lightning calls of each callback within a step, between its begin and end.
WITHIN = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")

#: What it calls of the module besides, about a step.
OF_MODULE = (
    *("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"),
    *("on_train_batch_start", "on_train_batch_end", "backward"),
    *("optimizer_step", "optimizer_zero_grad", "configure_gradient_clipping"),
)


class PlainSteps(_TrainingEpochLoop):
    """Lightning's loop over an epoch's batches, whose plain steps are done at once.

    Args:
        trainer: whose steps they are; ``install`` makes it so.
    """

    _plain = False

    @classmethod
    def install(cls, trainer: Trainer) -> None:
        """Let the trainer make its steps so."""
        loop = trainer.fit_loop.epoch_loop
        trainer.fit_loop.epoch_loop = cls(trainer, loop.min_steps, loop.max_steps)

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        """Begin an epoch, and look who listens."""
        super().on_run_start(data_fetcher)
        callbacks = self.trainer.callbacks
        self._plain = is_plain(self.trainer)
        self._at_start = [one.on_train_batch_start for one in callbacks if fills(one, Callback, "on_train_batch_start")]
        self._at_end = [one.on_train_batch_end for one in callbacks if fills(one, Callback, "on_train_batch_end")]

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Train one batch."""
        trainer, progress = self.trainer, self.batch_progress
        if not self._plain or self.restarting or trainer.accumulate_grad_batches != 1:  # a callback may change these
            super().advance(data_fetcher)
            return
        module, connector, results = trainer.lightning_module, trainer._logger_connector, self._results
        batch, _, _ = next(data_fetcher)
        number = self.batch_idx + 1
        progress.is_last_batch = data_fetcher.done
        progress.increment_ready()
        connector.on_batch_start(batch)
        module._current_fx_name = "on_train_batch_start"  # what it logs is filed under it
        for listen in self._at_start:
            listen(trainer, module, batch, number)
        progress.increment_started()
        output = self._step(module, batch, number)
        progress.increment_processed()
        if trainer.lr_scheduler_configs:
            self.update_lr_schedulers("step", update_plateau_schedulers=False)
            if self._num_ready_batches_reached():
                self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        module._current_fx_name = "on_train_batch_end"
        for listen in self._at_end:
            listen(trainer, module, output, batch, number)
        module._current_fx_name = None
        if results:
            connector.on_batch_end()
        progress.increment_completed()
        if results:
            connector.update_train_step_metrics()

    def _step(self, module: Any, batch: tuple[Tensor, Tensor], number: int) -> dict[str, Tensor]:
        """Make an optimizer step; return what ``training_step`` returns, its loss detached."""
        [optimizer] = self.trainer.optimizers
        made = self.automatic_optimization.optim_progress.optimizer
        output: dict[str, Tensor] = {}

        @torch.enable_grad()
        def closure() -> Tensor:
            module._current_fx_name = "training_step"
            output.update(module.training_step(batch, number))
            loss = output["loss"]
            made.zero_grad.increment_ready()
            made.zero_grad.increment_started()
            optimizer.zero_grad()
            made.zero_grad.increment_completed()
            torch.autograd.backward(loss)
            output["loss"] = loss.detach()
            return output["loss"]

        made.step.increment_ready()
        optimizer.step(closure)
        made.step.increment_completed()
        return output


def fills(owner: Callback | LightningModule, base: type, hook: str) -> bool:
    """Tell whether a callback or a module does anything else in a hook than its base class."""
    return getattr(type(owner), hook) is not getattr(base, hook) or hook in vars(owner)


def is_plain(trainer: Trainer) -> bool:
    """Tell whether a step is nothing but forward, backward and the optimizer's: nobody listens in between."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    return (
        type(trainer.lightning_module) is ImageClassifier  # a subclass's training_step may return what it likes
        and type(trainer.strategy) is SingleDeviceStrategy
        and trainer.strategy.root_device.type == "cpu"
        and type(trainer.precision_plugin) is Precision
        and isinstance(trainer.profiler, NoProfiler)  # type: ignore[attr-defined]  # set by a connector
        and not trainer.gradient_clip_val
        and not any(fills(callback, Callback, hook) for callback in callbacks for hook in WITHIN)
        and not any(fills(trainer.lightning_module, LightningModule, hook) for hook in (*WITHIN, *OF_MODULE))
    )
