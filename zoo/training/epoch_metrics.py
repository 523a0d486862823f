"""What a run counts and writes while it trains: the epoch's figures, and their rows in metrics.csv."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor

from zoo.core.errors import RunError
from zoo.runs.folder import Run
from zoo.runs.metrics import MetricsTable

#: Logits that are held at most until their hits are counted: 4 MiB of float32.
MOST_LOGITS = 2**20


class MetricsLogger(Logger):
    """Writes rows to metrics.csv, at once.

    Args:
        run: the folder.
        up_to_step: optimizer steps done before this process; rows after it are made again. None starts a new file.
    """

    def __init__(self, run: Run, up_to_step: int | None = None) -> None:
        super().__init__()
        self.run = run
        self.up_to_step = up_to_step
        self._table: MetricsTable | None = None

    @property
    def name(self) -> str:
        """The folder that holds the run's version."""
        return self.run.path.parent.name

    @property
    def version(self) -> str:
        """The run folder's own name."""
        return self.run.path.name

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a row."""
        if self._table is None:
            self._table = MetricsTable(self.run.metrics, self.up_to_step)
        self._table.append({"epoch": metrics.get("epoch", ""), "step": step, **metrics})

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds them."""


class TrainingFigures(Callback):
    """Counts loss, hits and time of the epoch, writes its row, and stops a run whose loss is not finite.

    ``row`` holds the finished epoch's figures for whoever shows them. The sums of a GPU stay on it, so that no step
    waits for it. Their state is in the checkpoint: a resumed epoch's row covers the whole epoch.
    """

    def __init__(self) -> None:
        self._start_epoch()

    def _start_epoch(self) -> None:
        self.loss_sum: Tensor | float = 0.0
        self.images = 0
        self._correct: Tensor | int = 0
        #: Logits and labels of batches whose hits are not counted yet, and how many logits they are.
        self._uncounted: list[tuple[Tensor, Tensor]] = []
        self._logits = 0
        self.seconds = 0.0
        self.row: dict[str, float] = {}
        self.val: dict[str, float] = {}
        self._since = time.perf_counter()
        #: Sums of loss, hits and images where the last steps' row ended.
        self._row_start: tuple[Tensor | float, Tensor | int, int] = 0.0, 0, 0

    @property
    def correct(self) -> Tensor | int:
        """Images of the epoch that were right; batches are counted together, as each call into torch costs time."""
        if self._uncounted:
            logits, labels = (torch.cat(parts) for parts in zip(*self._uncounted, strict=True))
            hits = (logits.argmax(dim=1) == labels).sum()
            self._correct = self._correct + (int(hits) if hits.device.type == "cpu" else hits)
            self._uncounted, self._logits = [], 0
        return self._correct

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the time from here."""
        self._since = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._start_epoch()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a batch's figures."""
        loss, logits, count = outputs["loss_value"], outputs["logits"], len(batch[1])
        if loss.device.type == "cpu":  # numbers add up faster than tensors, and nothing has to be waited for
            loss = _require_finite(loss, trainer)
        self.loss_sum = self.loss_sum + loss * count
        self.images += count
        self._uncounted.append((logits, outputs["labels"]))
        self._logits += logits.numel()
        if self._logits > MOST_LOGITS:
            _ = self.correct
        step = trainer.global_step
        if step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # set by a connector
            sums = self.loss_sum, self.correct, self.images
            loss, hits, images = (now - before for now, before in zip(sums, self._row_start, strict=True))
            mean = _require_finite(loss / images, trainer)
            accuracy = float(hits) / images
            row = {"epoch": trainer.current_epoch, "train/loss_step": mean, "train/accuracy_step": accuracy}
            _log(trainer, row, step)
            self._row_start = sums

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row: training figures over all processes, and the validation's."""
        self.row = {**self._sums(trainer), **self.val}
        _require_finite(self.row["train/loss"], trainer)
        _log(trainer, {"epoch": trainer.current_epoch, **self.row}, trainer.global_step)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock: images per second are training's."""
        self.seconds += time.perf_counter() - self._since

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep this validation's metrics, and let the clock run on."""
        self.val = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
        self._since = time.perf_counter()

    def _sums(self, trainer: Trainer) -> dict[str, float]:
        """Return the epoch's figures over all processes."""
        sums = torch.tensor(
            [float(self.loss_sum), float(self.correct), float(self.images)], device=trainer.strategy.root_device
        )
        loss, correct, images = trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        images = max(images, 1.0)
        return {
            "train/loss": loss / images,
            "train/accuracy": correct / images,
            "images_per_second": images / max(self.elapsed(), 1e-9),
        }

    def elapsed(self) -> float:
        """Return the seconds this epoch has trained."""
        return self.seconds + time.perf_counter() - self._since

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain numbers."""
        return {
            "loss_sum": float(self.loss_sum),
            "correct": int(self.correct),
            "images": self.images,
            "seconds": self.elapsed(),
            "row_start": [float(value) for value in self._row_start],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the sums up again."""
        self.loss_sum, self._correct = state_dict["loss_sum"], state_dict["correct"]
        self.images, self.seconds = state_dict["images"], state_dict["seconds"]
        loss, hits, images = state_dict["row_start"]
        self._row_start = loss, int(hits), int(images)


def _log(trainer: Trainer, row: dict[str, Any], step: int) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(row, step)


def _require_finite(loss: Tensor | float, trainer: Trainer) -> float:
    value = float(loss)
    if value - value != 0:
        raise RunError(
            f"the loss is {value} at step {trainer.global_step}; the last checkpoint is from before; "
            "try a lower learning rate (--optimizer.lr) or --trainer.gradient_clip_val 1"
        )
    return value
