"""Writes the best and the last checkpoint of a run, each completely or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.core.errors import RunError
from zoo.models.checkpoint import read_checkpoint
from zoo.runs.files import replacing
from zoo.runs.folder import Run


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
        except (OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as RuntimeError
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise RunError(f"checkpoint {path} cannot be written: {reason}; the one before it is kept") from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = lambda storage, loc: storage, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint by ``read_checkpoint``, always with weights only."""
        return read_checkpoint(path)


class RunCheckpoints(Checkpoint):
    """Saves ``last.ckpt`` after every epoch and ``best.ckpt`` when the validation accuracy is the highest so far.

    Of two equal accuracies, the one with the lower validation loss is better: on a small split ties are common.

    Unlike Lightning's ModelCheckpoint, its state holds no path, so a run folder can be moved and resumed; and it writes
    the last checkpoint in every epoch, not only in the best ones.

    A checkpoint holds the state of the random generators. It is restored before the first resumed step, so dropout
    draws the same numbers as without the interruption.

    Args:
        run: the folder.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.best = (-1.0, 0.0)
        self._random_state: dict[str, Any] | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch's checkpoints."""
        if (figures := self.improved(trainer)) is not None:
            self.best = figures
            trainer.save_checkpoint(self.run.best)
        trainer.save_checkpoint(self.run.last)

    def improved(self, trainer: Trainer) -> tuple[float, float] | None:
        """Return the last validation's accuracy and negated loss if they are the best so far, else None."""
        metrics = trainer.callback_metrics
        if "val/accuracy" not in metrics:
            return None
        figures = float(metrics["val/accuracy"]), -float(metrics["val/loss"])
        return figures if figures > self.best else None

    def state_dict(self) -> dict[str, Any]:
        """Return the best validation accuracy so far, and its loss."""
        return {"accuracy": self.best[0], "loss": -self.best[1]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them."""
        self.best = state_dict["accuracy"], -state_dict["loss"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the state of the random generators."""
        checkpoint["random_state"] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            checkpoint["random_state"]["cuda"] = torch.cuda.get_rng_state(pl_module.device)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state for the first step."""
        self._random_state = checkpoint.get("random_state")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Restore the state, after everything at start-up that draws random numbers.

        Only where one process trains: the checkpoint holds the state of the first, and others must not repeat it.
        """
        state, self._random_state = self._random_state, None
        if state is not None and trainer.world_size == 1:
            torch.set_rng_state(state["cpu"].cpu())
            if "cuda" in state and pl_module.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda"].cpu(), pl_module.device)
