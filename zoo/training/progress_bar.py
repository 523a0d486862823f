"""What a training prints: a table before it, a bar and a line for each epoch, and the result after it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.table import Table

from zoo.core.console import in_notebook, is_first_process, print_stderr
from zoo.runs.folder import Run
from zoo.runs.metrics import History, Monitor
from zoo.training.bars import Bar, NotebookBar, TerminalBar
from zoo.training.checkpoints import RunCheckpoints
from zoo.training.epoch_metrics import EpochMetrics
from zoo.training.progress import epochs_done, is_inside_epoch

#: Seconds between two updates of the progress bar; each update waits for the device.
REDRAW = 0.25

#: Seconds between two lines of a long epoch where there is no terminal.
LINE_SECONDS = 30.0


def show_summary(rows: Mapping[str, str]) -> None:
    """Print the training's summary on stderr: a table in a terminal, elsewhere plain lines.

    Args:
        rows: texts by their titles.
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


def show_result(run: Run, testable: bool = True, monitor: Monitor | None = None) -> None:
    """Print on stderr the best figure of a finished run, where its best weights are, and the next command.

    Args:
        run: a finished one.
        testable: whether its data has a test split.
        monitor: the figure that chose the best weights; by default val/accuracy.
    """
    if not is_first_process():
        return
    monitor = monitor or Monitor()
    best = History.of(run).best(monitor)
    if best:
        place = f"epoch {int(best['epoch']) + 1}" if "train/loss" in best else f"step {int(best['step']):,}"
        place = "the solved last layer" if best["step"] == 0 else place
        print_stderr(f"best {monitor.title} {monitor.text(best[monitor.name])}, of {place}: {run.best}")
    print_stderr(f"next: zoo {'test' if testable else 'export'} {shlex.quote(str(run.path))}")


class EpochProgressBar(ProgressBar):
    """A progress bar in a terminal or a notebook, and one line for each epoch; elsewhere lines alone.

    Without a bar a long epoch has a line every LINE_SECONDS.

    Args:
        metrics: measures loss, accuracy and speed.
        checkpoints: tells which epoch is the best so far.
        bar: whether to show anything before an epoch ends.
    """

    def __init__(self, metrics: EpochMetrics, checkpoints: RunCheckpoints, bar: bool = True) -> None:
        super().__init__()
        self.metrics, self.checkpoints = metrics, checkpoints
        notebook = in_notebook()
        # In a notebook rich would make an output of each line, or take the cell for a terminal of 80 columns.
        plain = False if notebook else None
        self.console = Console(highlight=False, emoji=False, force_jupyter=plain, force_terminal=plain)
        self._wanted = bar
        self._bar: Bar | None = None
        if notebook:
            self._bar = NotebookBar()
        elif self.console.is_terminal:
            self._bar = TerminalBar(self.console)
        self._seconds = LINE_SECONDS if self._bar is None else REDRAW
        self._drawn = time.perf_counter() if self._bar is None else 0.0

    def disable(self) -> None:
        """Print nothing: Lightning calls this on all processes but the first."""
        self._wanted = False
        self.console.quiet = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the bar, a few times a second; where there is none print a line with the time."""
        if not self._wanted or time.perf_counter() - self._drawn < self._seconds:
            return
        texts = _texts(self.metrics.current())
        if self._bar is None:
            step = f"step {batch_idx + 1}/{self.total_train_batches}"
            self._print_line("  ".join([_epoch(trainer), step, *texts, time.strftime("%H:%M:%S")]))
            return
        self._bar.update("  ".join([_epoch(trainer), *texts]), batch_idx + 1, float(self.total_train_batches))
        self._drawn = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the line of a validation inside an epoch."""
        if is_inside_epoch(trainer) and self._wanted:
            step = f"{epochs_done(trainer):.2f} epochs"
            self._print_line("  ".join([step, *_texts(self.metrics.val), *self._marks(trainer)]))

    def _marks(self, trainer: Trainer) -> list[str]:
        """Return "best" where the last validation is; checkpoints are saved after all other callbacks."""
        return ["best"] if self.checkpoints.improved(trainer) is not None else []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the bar by the epoch's line, which marks the best epoch so far."""
        self._stop()
        *texts, speed = _texts(self.metrics.row)
        line = [_epoch(trainer), *texts, speed, *self._marks(trainer)]
        for shown in (speed, *(text for text in texts if text.startswith("accuracy"))):  # the bar has shown both
            if self.console.is_terminal and len("  ".join(line)) > self.console.width:
                line.remove(shown)
        self._print_line("  ".join(line))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove the bar before the error is printed."""
        self._stop()

    def _print_line(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
        self.console.file.flush()
        self._drawn = time.perf_counter()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _epoch(trainer: Trainer) -> str:
    if trainer.max_epochs == 0:
        return "solved"
    total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {trainer.current_epoch + 1}{total}"


def _texts(row: Mapping[str, float]) -> list[str]:
    """Return texts of an epoch's figures, the speed last; a figure that was not measured has none."""
    formats = {
        "train/loss": "loss {:.4f}",
        "train/accuracy": "accuracy {:.1%}",
        "val/loss": "val loss {:.4f}",
        "val/accuracy": "val accuracy {:.1%}",
        "images_per_second": "{:,.0f} images/s",
    }
    return [text.format(row[name]) for name, text in formats.items() if name in row]
