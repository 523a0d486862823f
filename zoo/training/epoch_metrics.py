"""The training figures of each epoch, and the rows that metrics.csv and other loggers get."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import isnan
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor

from zoo.core.console import is_first_process
from zoo.core.errors import RunError
from zoo.runs.folder import Run
from zoo.runs.metrics import History, MetricsTable
from zoo.training.progress import is_inside_epoch
from zoo.training.shared_steps import counted_images

#: Logits that wait, at most, until their predictions are compared with the labels: 4 MiB of float32.
MAX_LOGITS = 2**20


@dataclass(frozen=True)
class SolvedFigures:
    """What a solved head reaches on the training images that it was solved on.

    Args:
        loss: mean, with class weights and label smoothing.
        correct: images.
        images: their number.
        seconds: that computing their features and solving took.
    """

    loss: float
    correct: int
    images: int
    seconds: float


class MetricsLogger(Logger):
    """Writes each row to metrics.csv immediately.

    Args:
        run: the folder.
        up_to_step: optimizer steps done before this process; later rows are removed, because training makes them again.
            None starts a new file.
        count: rows that the file had then; further ones are removed as well. None where a checkpoint does not say.

    Raises:
        UserError: the file goes on, and is damaged.
    """

    def __init__(self, run: Run, up_to_step: int | None = None, count: int | None = None) -> None:
        super().__init__()
        if up_to_step is not None:
            History.of(run)
        self.run = run
        self.up_to_step, self.count = up_to_step, count
        self._opened: MetricsTable | None = None

    @property
    def name(self) -> str:
        """The folder that holds the versions of the run."""
        return self.run.path.parent.name

    @property
    def version(self) -> str:
        """The run folder's own name."""
        return self.run.path.name

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a row."""
        self._table().append({"epoch": metrics.get("epoch", ""), "step": step, **metrics})

    def rows(self) -> int:
        """Return the number of rows, in the process that writes them."""
        return len(self._table().rows) if is_first_process() else 0

    def _table(self) -> MetricsTable:
        if self._opened is None:
            self._opened = MetricsTable(self.run.metrics, self.up_to_step, self.count)
        return self._opened

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds them."""


class EpochMetrics(Callback):
    """Measures each epoch's loss, accuracy and time, writes its row, and stops a run whose loss is not finite.

    ``row`` holds the figures of the finished epoch. Sums on a GPU stay there, so that no step waits for them. Their
    state, over all processes, is in the checkpoint: the row of a resumed epoch covers the whole epoch, with any number
    of processes. Where a ``training_step`` of the
    user's own returns the loss alone, rows have no training accuracy.
    """

    #: In checkpoints.
    state_key = "TrainingFigures"

    def __init__(self) -> None:
        self._trainer: Trainer | None = None
        self._start_epoch()

    def _start_epoch(self) -> None:
        self.loss_sum: Tensor | float = 0.0
        self.images = 0
        self._correct: Tensor | int = 0
        #: Whether the logits of every batch are there.
        self._has_logits = True
        #: Logits and labels of batches that are not compared yet, and the number of those logits.
        self._pending: list[tuple[Tensor, Tensor]] = []
        self._pending_logits = 0
        self.seconds = 0.0
        self.row: dict[str, float] = {}
        self.val: dict[str, float] = {}
        self._since = time.perf_counter()
        #: Sums of loss, correct and all images, over all processes, at the last row of steps.
        self._row_start = [0.0, 0.0, 0.0]

    @property
    def correct(self) -> Tensor | int:
        """Correct predictions in this epoch; many batches are compared at once, because each call costs time."""
        if self._pending:
            logits, labels = (torch.cat(parts) for parts in zip(*self._pending, strict=True))
            correct = (logits.argmax(dim=1) == labels).sum()
            self._correct = self._correct + (int(correct) if correct.device.type == "cpu" else correct)
            self._pending, self._pending_logits = [], 0
        return self._correct

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn whose figures these are, also where no epoch trains."""
        self._trainer = trainer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from zero."""
        self._start_epoch()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a batch, and write a row of the last steps when it is due."""
        if not outputs or "loss" not in outputs:
            return  # a training_step of the user's own skips the batch
        loss, count = outputs.get("loss_value"), len(batch[1])
        if trainer.world_size > 1 and counted_images(trainer, batch_idx)[0] == 0:
            count = 0  # another process counts them
        if loss is None:  # Lightning has divided the loss of a user's own training_step
            loss = outputs["loss"].detach() * trainer.accumulate_grad_batches
        if loss.device.type == "cpu":  # numbers add up faster than tensors, and there is nothing to wait for
            loss = _require_finite(loss, trainer)
        self.loss_sum = self.loss_sum + loss * count
        self.images += count
        if "logits" in outputs and "labels" in outputs and count:
            self._pending.append((outputs["logits"], outputs["labels"]))
            self._pending_logits += outputs["logits"].numel()
            if self._pending_logits > MAX_LOGITS:
                _ = self.correct
        elif count:
            self._has_logits = False
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # set by a connector
            self._log_steps(trainer)

    def _log_steps(self, trainer: Trainer) -> None:
        """Write the row of the steps since the last one."""
        sums = self._reduced()
        loss, correct, images = (now - before for now, before in zip(sums, self._row_start, strict=True))
        mean = _require_finite(loss / images, trainer)
        row: dict[str, Any] = {"epoch": trainer.current_epoch, "train/loss_step": mean}
        if self._has_logits:
            row["train/accuracy_step"] = correct / images
        _log(trainer, row)
        self._row_start = sums

    def add_solved(self, figures: SolvedFigures) -> None:
        """Count the images of a solved head in place of an epoch's."""
        self.loss_sum, self._correct, self.images = figures.loss * figures.images, figures.correct, figures.images
        self.seconds, self._since = figures.seconds, time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row: training figures over all processes, and those of the validation."""
        self.row = {**self._figures(*self._reduced()), **self.val}
        _require_finite(self.row["train/loss"], trainer)
        _log(trainer, {"epoch": trainer.current_epoch, **self.row})

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock: images per second are those of training."""
        self.seconds += time.perf_counter() - self._since

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the validation's figures, write a row of one inside the epoch, and start the clock again.

        Raises:
            RunError: its loss is NaN, as after a last step that spoilt the weights; checkpoints come later.
        """
        self.val = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
        if isnan(self.val.get("val/loss", 0.0)):
            _require_finite(self.val["val/loss"], trainer)
        if is_inside_epoch(trainer):
            _log(trainer, {"epoch": trainer.current_epoch, **self.val})
        self._since = time.perf_counter()

    def _reduced(self) -> list[float]:
        """Return the sums of loss, correct predictions and images over all processes, each of which calls this."""
        own = [float(self.loss_sum), float(self.correct), float(self.images)]
        if self._trainer is None or self._trainer.world_size == 1:
            return own
        strategy = self._trainer.strategy
        sums = torch.tensor(own, dtype=torch.float64, device=strategy.root_device)
        reduced: list[float] = strategy.reduce(sums, reduce_op="sum").tolist()
        return reduced

    def current(self) -> dict[str, float]:
        """Return the figures of the unfinished epoch, of this process alone."""
        return self._figures(float(self.loss_sum), float(self.correct), self.images)

    def _figures(self, loss_sum: float, correct: float, images: float) -> dict[str, float]:
        images = max(images, 1.0)
        accuracy = {"train/accuracy": correct / images} if self._has_logits else {}
        return {"train/loss": loss_sum / images, **accuracy, "images_per_second": images / max(self.elapsed(), 1e-9)}

    def elapsed(self) -> float:
        """Return the seconds that this epoch has trained."""
        return self.seconds + time.perf_counter() - self._since

    def state_dict(self) -> dict[str, Any]:
        """Return the sums over all processes as plain numbers, and the last validation's figures in this epoch."""
        loss, correct, images = self._reduced()
        sums = {"loss_sum": loss, "correct": int(correct), "images": int(images)}
        row_start = [float(value) for value in self._row_start]
        return sums | {"seconds": self.elapsed(), "row_start": row_start, "val": self.val, "rows": self._rows()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the sums, in the first process: it stands for those that have counted."""
        if is_first_process():
            self.loss_sum, self._correct = state_dict["loss_sum"], state_dict["correct"]
            self.images = state_dict["images"]
        self.seconds, self._row_start = state_dict["seconds"], list(state_dict["row_start"])
        self.val = dict(state_dict.get("val", {}))  # earlier versions did not save it

    def _rows(self) -> int:
        """Return how many rows metrics.csv has."""
        loggers = self._trainer.loggers if self._trainer is not None else []
        return sum(logger.rows() for logger in loggers if isinstance(logger, MetricsLogger))


def _log(trainer: Trainer, row: dict[str, Any]) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(row, trainer.global_step)


def _require_finite(loss: Tensor | float, trainer: Trainer) -> float:
    value = float(loss)
    if value - value != 0:
        raise RunError(
            f"the loss is {value} at step {trainer.global_step}; checkpoints hold earlier steps only; "
            "try a lower learning rate (--optimizer.lr) or --trainer.gradient_clip_val 1"
        )
    return value
