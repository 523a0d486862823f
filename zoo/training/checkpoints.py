"""Writes the best and the last checkpoint of a run, each completely or not at all."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, StochasticWeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.core.console import print_stderr
from zoo.core.whole_file import replacing, write_error
from zoo.data.datamodule import ImageDataModule
from zoo.models.checkpoint import read_checkpoint
from zoo.runs.folder import Run
from zoo.runs.metrics import Monitor
from zoo.training.lightning_internals import recount_batches
from zoo.training.progress import is_fitting, is_inside_epoch


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target, syncs it to disk and renames it.

    Lightning writes to the temporary folder and copies: a full disk then destroys the old checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Replace the file at ``path``; if the disk is full or read-only, raise RunError and keep the old file."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                torch.save(checkpoint, file)
        except OSError as error:
            raise write_error(path, error, "; the checkpoint before it is kept") from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = lambda storage, loc: storage, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint by ``read_checkpoint``, always with weights only."""
        return read_checkpoint(path)


class RunCheckpoints(Checkpoint):
    """Saves ``last.ckpt`` after every epoch and ``best.ckpt`` after the best validation so far, inside epochs too.

    Of two equal values, the one with the lower validation loss is better: on a small split ties are common.

    Unlike Lightning's ModelCheckpoint, its state holds no path, so a run folder can be moved and resumed; and it writes
    the last checkpoint in every epoch, not only in the best ones.

    A checkpoint holds the state of the random generators. It is restored before the first resumed step, so dropout
    draws the same numbers as without the interruption.

    Args:
        run: the folder.
        monitor: the figure that tells which validation is the best.
    """

    def __init__(self, run: Run, monitor: Monitor | None = None) -> None:
        self.run, self.monitor = run, monitor or Monitor()
        self.best: tuple[float, float] | None = None
        self._random_state: dict[str, Any] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the best checkpoint of a validation inside an epoch; at its end the epoch is closed first."""
        if is_inside_epoch(trainer):
            self._save_best(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch's checkpoints."""
        self._save_best(trainer)
        trainer.save_checkpoint(self.run.last)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what Lightning's StochasticWeightAveraging, if it is there, puts into the network only now."""
        if any(isinstance(callback, StochasticWeightAveraging) for callback in trainer.callbacks):  # type: ignore[attr-defined]  # set by a connector
            path = self.run.last.with_name("swa.ckpt")
            trainer.save_checkpoint(path)
            print_stderr(f"averaged weights: {path}; test them with: zoo test {self.run.path} --ckpt_path {path}")

    def _save_best(self, trainer: Trainer) -> None:
        if (score := self.improved(trainer)) is not None:
            self.best = score
            trainer.save_checkpoint(self.run.best)

    def improved(self, trainer: Trainer) -> tuple[float, float] | None:
        """Return the last validation's score if it is the best so far, else None."""
        score = self.monitor.score(trainer.callback_metrics)
        return score if score is not None and not isnan(score[0]) and (self.best is None or score > self.best) else None

    def state_dict(self) -> dict[str, Any]:
        """Return the monitored figure, and the best score so far."""
        return {"monitor": self.monitor.name, "best": None if self.best is None else list(self.best)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score; one of another figure says nothing."""
        if "accuracy" in state_dict:  # written before other figures could be chosen
            state_dict = {"monitor": "val/accuracy", "best": [state_dict["accuracy"], -state_dict["loss"]]}
        if state_dict["monitor"] == self.monitor.name and state_dict["best"] is not None:
            self.best = state_dict["best"][0], state_dict["best"][1]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the state of the random generators, and how many images all processes take in a step."""
        checkpoint["global_batch"] = getattr(trainer.train_dataloader, "global_batch", None)
        checkpoint["random_state"] = self._random_state or {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available() and self._random_state is None:
            checkpoint["random_state"]["cuda"] = torch.cuda.get_rng_state(pl_module.device)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state for the first step, and count the batches of the epoch anew where their size has changed."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        if isinstance(data, ImageDataModule) and checkpoint.get("global_batch") is not None:
            recount_batches(checkpoint, data.train_dataloader().shares)
        self._random_state = checkpoint.get("random_state")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Restore the state, after everything at start-up that draws random numbers."""
        self._restore_random_state(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the state where a validation that was due comes before the first step."""
        if is_fitting(trainer):
            self._restore_random_state(trainer, pl_module)

    def _restore_random_state(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the state once, where one process trains: several draw by seed, rank and step."""
        state, self._random_state = self._random_state, None
        if state is not None and trainer.world_size == 1:
            torch.set_rng_state(state["cpu"].cpu())
            if "cuda" in state and pl_module.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda"].cpu(), pl_module.device)
