"""Every private part of Lightning that zoo uses, read in READ_IN; nothing else in zoo touches one.

tests/training/test_lightning_internals.py has a test for each, whose message says what moved.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from traceback import walk_tb
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loops.fetchers import _DataFetcher as DataFetcher
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher as MultiProcessingLauncher
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import Tensor

from zoo.data.shares import Shares

#: The version of Lightning whose source this module was written by.
READ_IN = "2.6.6"

__all__ = [
    "READ_IN",
    "DataFetcher",
    "EpochLoop",
    "FitLoop",
    "HookNameModule",
    "MultiProcessingLauncher",
    "clip_unscaled",
    "name_hook",
    "recount_batches",
    "restored_field",
]

#: What Lightning's methods that restore a training read of a checkpoint (``_CheckpointConnector``), by their names.
RESTORED = {
    "restore_callbacks": "callbacks",
    "restore_loops": "loops",
    "restore_optimizers": "optimizer_states",
    "restore_lr_schedulers": "lr_schedulers",
    "restore_precision_plugin_state": "MixedPrecision",
    "restore_datamodule": "state of the data",
    "restore_model": "state_dict",
}


class HookNameModule(LightningModule):
    """Notes the hook that runs without ``nn.Module``'s search for parameters.

    Lightning sets ``_current_fx_name`` 44 times a step: the search is 3 % of a step of LeNet-5 at batch 32.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def restored_field(error: BaseException) -> str | None:
    """Return which field of a checkpoint was being restored where an error arose; None where none was."""
    for frame, _ in walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_filename.endswith("checkpoint_connector.py") and code.co_name in RESTORED:
            return RESTORED[code.co_name]
    return None


def name_hook(module: Any, name: str | None) -> None:
    """Say which hook runs: ``log`` files its values under this name."""
    module._current_fx_name = name


def clip_unscaled(trainer: Trainer) -> None:
    """Let gradients of a fused optimizer be clipped in bf16-mixed, where Lightning raises RuntimeError.

    Lightning refuses because a fused optimizer divides the gradients by the factor of a scaler, after they would be
    clipped. bfloat16 has the range of float32, and no scaler.
    """
    precision = trainer.precision_plugin
    if isinstance(precision, MixedPrecision) and precision.scaler is None:
        precision.clip_gradients = partial(Precision.clip_gradients, precision)  # type: ignore[method-assign]


class EpochLoop(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, in pieces that a subclass can put together otherwise."""

    #: Whether it resumes from a checkpoint that was saved right after a step: a validation may be due, the epoch over.
    _after_step = False

    @classmethod
    def install(cls, trainer: Trainer) -> None:
        """Let a trainer that has not begun use this loop, and FitLoop around it."""
        before, loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
        trainer.fit_loop = FitLoop(trainer, before.min_epochs, before.max_epochs)
        trainer.fit_loop.epoch_loop = cls(trainer, loop.min_steps, loop.max_steps)

    def update_restart_stage(self) -> None:
        """Count the step after which the checkpoint was saved; Lightning then takes what follows it for done."""
        super().update_restart_stage()
        self._after_step = self.restarted_on_train_batch_end
        if self._after_step:
            self.batch_progress.increment_completed()
            self.reset_restart_stage()

    def advance(self, data_fetcher: DataFetcher) -> None:
        """Train one batch; after a resume, first only validate or end the epoch where that was due."""
        resumes = self.restarting and self._after_step
        if resumes and (self._is_training_done or self._should_check_val_fx(data_fetcher)):
            self.val_loop.restarting = False
            if not self._should_accumulate():
                self._batches_that_stepped -= 1  # reset has counted the step, and on_advance_end counts it
            return
        super().advance(data_fetcher)

    def _broadcast_sigterm_tensor(self) -> None:
        """Do nothing: Lightning asks process 0 before each step whether SIGTERM came; GracefulStop asks all, rarely."""

    def take_batch(self, fetcher: DataFetcher) -> tuple[Any, int]:
        """Return the next batch, on the training's device, and its number in the epoch."""
        batch, _, _ = next(fetcher)
        if (device := self.trainer.strategy.root_device).type != "cpu":
            batch = move_data_to_device(batch, device)
        number = self.batch_idx + 1
        self.batch_progress.is_last_batch = fetcher.done
        self.batch_progress.increment_ready()
        self.trainer._logger_connector.on_batch_start(batch)
        return batch, number

    def optimize(self, compute_loss: Callable[[], Tensor]) -> None:
        """Run forward, zero_grad, backward, clipping and the optimizer's step, and count them."""
        [optimizer] = self.trainer.optimizers
        limit, algorithm = self.trainer.gradient_clip_val, self.trainer.gradient_clip_algorithm or "norm"
        counts = self.automatic_optimization.optim_progress.optimizer

        @torch.enable_grad()
        def closure() -> Tensor:
            loss = compute_loss()
            counts.zero_grad.increment_ready()
            counts.zero_grad.increment_started()
            optimizer.zero_grad()
            counts.zero_grad.increment_completed()
            torch.autograd.backward(loss)
            if limit:
                kind = GradClipAlgorithmType(algorithm)
                self.trainer.precision_plugin.clip_gradients(optimizer, limit, kind)
            return loss.detach()

        self.batch_progress.increment_started()
        counts.step.increment_ready()
        optimizer.step(closure)
        counts.step.increment_completed()
        self.batch_progress.increment_processed()

    def step_schedulers(self) -> None:
        """Update the learning rates that change after this step, or after this epoch where it is the last."""
        if self.trainer.lr_scheduler_configs:
            self.update_lr_schedulers("step", update_plateau_schedulers=False)
            if self._num_ready_batches_reached():
                self.update_lr_schedulers("epoch", update_plateau_schedulers=False)

    def finish_batch(self) -> None:
        """Count the batch, and pass on what was logged in it."""
        connector, logged = self.trainer._logger_connector, bool(self._results)
        if logged:
            connector.on_batch_end()
        self.batch_progress.increment_completed()
        if logged:
            connector.update_train_step_metrics()


class FitLoop(_FitLoop):
    """Lightning's loop over epochs; it resumes to what an uninterrupted training does.

    Lightning's own forgets the figures of the last validation, leaves out the step of a plateau schedule at the end of
    the epoch in which it resumes, saves checkpoints before that step, and, where max_steps ends the training, trains on
    in an epoch that was over.
    """

    @_Loop.restarting.setter  # type: ignore[attr-defined, untyped-decorator]  # a property's setter
    def restarting(self, restarting: bool) -> None:
        """Resume inside an epoch where it is not over."""
        counts: Any = self.epoch_progress.current
        over = counts.ready == counts.started == counts.processed
        _Loop.restarting.fset(self, restarting and not over)  # type: ignore[attr-defined]

    def load_state_dict(self, state_dict: dict[str, Any], prefix: str = "") -> None:
        """Restore the progress; an epoch that max_steps or early stopping has ended at a batch inside it goes on."""
        super().load_state_dict(state_dict, prefix)
        progress: Any = self.epoch_progress
        current, total, batches = progress.current, progress.total, self.epoch_loop.batch_progress
        cut = current.ready == current.started == current.processed == current.completed + 1
        if cut and not batches.is_last_batch and batches.current.ready:
            current.processed, total.processed = current.processed - 1, total.processed - 1
            self.restarting = True

    @property
    def done(self) -> bool:
        """Tell whether training is over; where it resumes right after the last step, what follows that comes first."""
        counts: Any = self.epoch_loop.batch_progress.current
        after_step = self.epoch_loop._after_step or counts.processed == counts.completed + 1
        return not (self.restarting and after_step) and super().done

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Add the last figures of validations, which schedules and callbacks go by at the end of the epoch."""
        figures = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        return super().on_save_checkpoint() | {"callback_metrics": figures}

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Restore these figures, which a checkpoint of an earlier version does not have."""
        super().on_load_checkpoint(state_dict)
        figures = state_dict.get("callback_metrics", {})
        tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in figures.items()}
        self.trainer._logger_connector._callback_metrics.update(tensors)

    def update_restart_stage(self) -> None:
        """Step the plateau schedules after the epoch at whose end the checkpoint was saved."""
        super().update_restart_stage()
        if self.resumed_on_epoch_end and self.epoch_loop._num_ready_batches_reached() and self._has_monitored():
            self.epoch_loop.update_lr_schedulers("epoch", update_plateau_schedulers=True)

    def on_advance_end(self) -> None:
        """End an epoch; one in which the training was resumed like any other."""
        if self._has_monitored():
            self._restarting = False
        super().on_advance_end()

    def _has_monitored(self) -> bool:
        """Tell whether each plateau schedule's figure is there; an earlier version's checkpoint may lack it."""
        plateaus = [config for config in self.trainer.lr_scheduler_configs if config.reduce_on_plateau]
        return all(config.monitor in self.trainer.callback_metrics for config in plateaus)


def recount_batches(checkpoint: dict[str, Any], shares: Shares) -> None:
    """Let a checkpoint count the batches of its epoch in the size that they have now; its loader counts images.

    Args:
        checkpoint: as Lightning has read it; its progress changes.
        shares: of the training images, as they are served now.
    """
    loop = checkpoint["loops"]["fit_loop"]
    [state], progress = loop["state_dict"]["combined_loader"], loop["epoch_loop.batch_progress"]
    if state.get("batch", shares.batch) == shares.batch:
        return
    whole = progress["is_last_batch"] or state["position"] >= shares.end(len(shares) - 1)
    done, current = len(shares) if whole else shares.first(state["position"]), progress["current"]
    begun = current["processed"] - current["completed"]  # 1 where it was saved at the end of a step
    current |= dict.fromkeys(("ready", "started", "processed"), done) | {"completed": done - begun}
