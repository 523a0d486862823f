"""What people see of a training: a table before it, a bar and a line an epoch while it runs, the result at its end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from zoo.core.console import is_first_process, print_stderr
from zoo.runs.folder import Run
from zoo.runs.metrics import History
from zoo.training.checkpoints import RunCheckpoints
from zoo.training.epoch_metrics import TrainingFigures

#: Seconds between two drawings of the progress bar; each one waits for the device to report the loss.
REDRAW = 0.25


def show_plan(rows: Mapping[str, str]) -> None:
    """Show on stderr what is about to be trained: a table in a terminal, elsewhere plain lines.

    Args:
        rows: what is said of each thing, by its name.
    """
    if not is_first_process():
        return
    console = Console(stderr=True, highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        table = Table(show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")  # paths stay whole
        for name, text in rows.items():
            table.add_row(name, text)
        console.print(table)
        return
    width = max(map(len, rows))
    for name, text in rows.items():
        print_stderr(f"{name:<{width}}  {text}")


def show_result(run: Run) -> None:
    """Say on stderr how good a finished run is, where its best weights are, and what to type next."""
    if not is_first_process():
        return
    best = History.of(run).best()
    if best:
        accuracy, number = best["val/accuracy"], int(best["epoch"]) + 1
        print_stderr(f"best val accuracy {accuracy:.1%}, of epoch {number}: {run.best}")
    print_stderr(f"next: zoo test {shlex.quote(str(run.path))}")


class EpochLines(ProgressBar):
    """A progress bar in a terminal, and one line an epoch that stays; without a terminal the lines alone.

    Args:
        figures: where loss, accuracy and speed are counted.
        checkpoints: knows which epoch is the best so far.
        bar: whether to draw the bar where there is a terminal.
    """

    def __init__(self, figures: TrainingFigures, checkpoints: RunCheckpoints, bar: bool = True) -> None:
        super().__init__()
        self.figures, self.checkpoints = figures, checkpoints
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
        count, seconds = max(self.figures.images, 1), max(self.figures.elapsed(), 1e-9)
        loss, accuracy = float(self.figures.loss_sum) / count, float(self.figures.correct) / count
        text = f"{_epoch(trainer)}  loss {loss:.4f}  accuracy {accuracy:.1%}  {count / seconds:,.0f} images/s"
        if self._bar is None:
            # The figures need up to 64 of 80 columns; the bar takes what is left.
            left = TimeRemainingColumn(compact=True), TextColumn("left")
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), *left)
            self._bar = Progress(*columns, console=self.console, transient=True, auto_refresh=False, expand=True)
            self._task = self._bar.add_task(text, total=self.total_train_batches)
            self._bar.start()
        self._bar.update(self._task, completed=batch_idx + 1, description=text, refresh=True)
        self._drawn = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the bar by the epoch's line, which says of the best so far that it is."""
        self._stop()
        row = self.figures.row
        words = [_epoch(trainer), f"loss {row['train/loss']:.4f}", f"accuracy {row['train/accuracy']:.1%}"]
        if "val/loss" in row:
            words += [f"val loss {row['val/loss']:.4f}", f"val accuracy {row['val/accuracy']:.1%}"]
        speed = f"{row['images_per_second']:,.0f} images/s"
        # Checkpoints are saved after all other callbacks.
        best = ["best"] if self.checkpoints.improved(trainer) is not None else []
        line = [*words, speed, *best]
        for spared in (speed, words[2]):  # the bar has shown both
            if self.console.is_terminal and len("  ".join(line)) > self.console.width:
                line.remove(spared)
        self.console.print("  ".join(line), soft_wrap=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away before anything is said about the error."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _epoch(trainer: Trainer) -> str:
    total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {trainer.current_epoch + 1}{total}"
