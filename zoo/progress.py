"""What a run shows and writes while it trains: the epoch's figures, metrics.csv, a progress bar, a line an epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers.logger import Logger
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from zoo.errors import RunError
from zoo.run import MetricsTable, Run

#: Seconds between two drawings of the progress bar; each one waits for the device to report the loss.
REDRAW = 0.25


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
        self.correct: Tensor | int = 0
        self.images = 0
        self.seconds = 0.0
        self.row: dict[str, float] = {}
        self.val: dict[str, float] = {}
        self._since = time.perf_counter()
        self._step_loss: Tensor | float = 0.0
        self._step_hits: Tensor | int = 0
        self._step_images = 0

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
        loss, hits, count = outputs["loss_value"], outputs["hits"], len(batch[1])
        if loss.device.type == "cpu":  # numbers add up faster than tensors, and nothing has to be waited for
            loss, hits = _require_finite(loss, trainer), int(hits)
        weighted = loss * count
        self.loss_sum = self.loss_sum + weighted
        self.correct = self.correct + hits
        self.images += count
        self._step_loss = self._step_loss + weighted
        self._step_hits = self._step_hits + hits
        self._step_images += count
        step = trainer.global_step
        if step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # set by a connector
            mean = _require_finite(self._step_loss / self._step_images, trainer)
            accuracy = float(self._step_hits) / self._step_images
            row = {"epoch": trainer.current_epoch, "train/loss_step": mean, "train/accuracy_step": accuracy}
            _log(trainer, row, step)
            self._step_loss, self._step_hits, self._step_images = 0.0, 0, 0

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
            "step_loss": float(self._step_loss),
            "step_hits": int(self._step_hits),
            "step_images": self._step_images,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the sums up again."""
        self.loss_sum, self.correct = state_dict["loss_sum"], state_dict["correct"]
        self.images, self.seconds = state_dict["images"], state_dict["seconds"]
        self._step_loss, self._step_hits = state_dict["step_loss"], state_dict["step_hits"]
        self._step_images = state_dict["step_images"]


class EpochLines(ProgressBar):
    """A progress bar in a terminal, and one line an epoch that stays; without a terminal the lines alone.

    Args:
        figures: where loss, accuracy and speed are counted.
        bar: whether to draw the bar where there is a terminal.
    """

    def __init__(self, figures: TrainingFigures, bar: bool = True) -> None:
        super().__init__()
        self.figures = figures
        self.console = Console(highlight=False, emoji=False)
        self._wanted = bar and self.console.is_terminal
        self._bar: Progress | None = None
        self._task: Any = None
        self._drawn = 0.0

    def disable(self) -> None:
        """Show nothing: Lightning calls this on all processes but the first."""
        self._wanted = False
        self.console.quiet = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar, a few times a second."""
        if not self._wanted or time.perf_counter() - self._drawn < REDRAW:
            return
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=self.total_train_batches)
            self._bar.start()
        count, seconds = max(self.figures.images, 1), max(self.figures.elapsed(), 1e-9)
        loss, accuracy = float(self.figures.loss_sum) / count, float(self.figures.correct) / count
        text = f"{_epoch(trainer)}  loss {loss:.4f}  accuracy {accuracy:.1%}  {count / seconds:,.0f} images/s"
        self._bar.update(self._task, completed=batch_idx + 1, description=text, refresh=True)
        self._drawn = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the bar by the epoch's line."""
        self._stop()
        row = self.figures.row
        words = [_epoch(trainer), f"loss {row['train/loss']:.4f}", f"accuracy {row['train/accuracy']:.1%}"]
        if "val/loss" in row:
            words += [f"val loss {row['val/loss']:.4f}", f"val accuracy {row['val/accuracy']:.1%}"]
        words.append(f"{row['images_per_second']:,.0f} images/s")
        self.console.print("  ".join(words), soft_wrap=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away before anything is said about the error."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@rank_zero_only
def say(text: str) -> None:
    """Print a line to stderr, from the first process alone."""
    print(text, file=sys.stderr, flush=True)


def _epoch(trainer: Trainer) -> str:
    total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {trainer.current_epoch + 1}{total}"


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
