"""A training loop that skips hooks which no callback overrides; they cost a small network a tenth of its time.

    Lightning's step    every hook of every callback, the module, the data module and the strategy, each by its name
    the same here       batch ──► callbacks that override ──► training_step ──► zero_grad ──► backward ──► optimizer
                              ──► schedulers ──► callbacks that override

The work, its order, the progress counts and what callbacks receive are the same, and no step waits for a GPU. Where
anything overrides a hook inside the step, gradients are accumulated or scaled, or several devices train, Lightning's
own step runs.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor

from zoo.training.fast_settings import NoProfiler
from zoo.training.lightning_internals import DataFetcher, EpochLoop, name_hook
from zoo.training.task import ImageClassifier

#: Hooks of callbacks and of the module that Lightning calls inside a step.
INSIDE_STEP = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")

#: Hooks of the module that Lightning calls around a step, or in place of a part of it.
AROUND_STEP = (
    *("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"),
    *("on_train_batch_start", "on_train_batch_end", "backward"),
    *("optimizer_step", "optimizer_zero_grad", "configure_gradient_clipping"),
)


class FastTrainingLoop(EpochLoop):
    """Lightning's loop over the batches of an epoch, with a direct step where nothing overrides a hook inside it."""

    _direct = False

    def on_run_start(self, data_fetcher: DataFetcher) -> None:
        """Begin an epoch: choose the kind of step, and list the callbacks to call."""
        super().on_run_start(data_fetcher)
        self._direct = is_direct(self.trainer)
        self._before, self._after = (
            [getattr(callback, hook) for callback in self.trainer.callbacks if overrides(callback, Callback, hook)]
            for hook in ("on_train_batch_start", "on_train_batch_end")
        )

    def advance(self, data_fetcher: DataFetcher) -> None:
        """Train one batch."""
        trainer = self.trainer
        if not self._direct or self.restarting or trainer.accumulate_grad_batches != 1:  # a callback may change these
            super().advance(data_fetcher)
            return
        module: Any = trainer.lightning_module
        batch, number = self.take_batch(data_fetcher)
        name_hook(module, "on_train_batch_start")
        for call in self._before:
            call(trainer, module, batch, number)
        output: dict[str, Tensor] = {}

        def compute_loss() -> Tensor:
            name_hook(module, "training_step")
            with trainer.precision_plugin.train_step_context():
                output.update(module.training_step(batch, number))
            return output["loss"]

        self.optimize(compute_loss)
        output["loss"] = output["loss"].detach()
        self.step_schedulers()
        name_hook(module, "on_train_batch_end")
        for call in self._after:
            call(trainer, module, output, batch, number)
        name_hook(module, None)
        self.finish_batch()


def overrides(owner: Callback | LightningModule, base: type, hook: str) -> bool:
    """Tell whether a callback or a module has a hook of its own in place of its base class's."""
    return getattr(type(owner), hook) is not getattr(base, hook) or hook in vars(owner)


def is_direct(trainer: Trainer) -> bool:
    """Tell whether a step is forward, backward, clipping and the optimizer's step alone, on one CPU or GPU."""
    module = trainer.lightning_module
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    return (
        type(module) is ImageClassifier  # the training_step of a subclass may return something else
        and type(trainer.strategy) is SingleDeviceStrategy
        and trainer.strategy.root_device.type in ("cpu", "cuda")
        and type(trainer.precision_plugin) in (Precision, MixedPrecision)
        and getattr(trainer.precision_plugin, "scaler", None) is None  # scaled gradients need Lightning's care
        and isinstance(trainer.profiler, NoProfiler)  # type: ignore[attr-defined]  # set by a connector
        and not any(overrides(callback, Callback, hook) for callback in callbacks for hook in INSIDE_STEP)
        and not any(overrides(module, LightningModule, hook) for hook in (*INSIDE_STEP, *AROUND_STEP))
    )
