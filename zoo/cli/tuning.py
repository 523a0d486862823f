"""What ``zoo find`` does: try learning rates or batch sizes on a training; nothing is written but the plot."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from lightning.pytorch.tuner.tuning import Tuner

from zoo.config.fit_cli import FitCLI
from zoo.config.resolve import resolve_new
from zoo.core.errors import RunError, UserError
from zoo.reports.plots import draw_with, require_plot

#: Learning rates tried, from the first to the second, each for one step.
RATES, STEPS = (1e-6, 1.0), 100

#: First steps, whose losses do not count.
SKIPPED_STEPS = 10

#: The largest batch that is tried. Without a GPU the machine's own memory would run out, for all its processes.
MOST_ON_GPU, MOST_ON_CPU = 8192, 256


class FindCLI(FitCLI):
    """Builds what a fit would train, with an even learning rate and no run folder."""

    def build(self, config: dict[str, Any]) -> None:
        """Build the model, and a trainer without an end."""
        if config["model"]["layer_decay"] is not None:
            raise UserError("zoo find tries one learning rate for all layers; leave --model.layer_decay out")
        self.build_model(config)
        self.model.lr_scheduler = None
        self.folder = tempfile.TemporaryDirectory(prefix="zoo-find-")
        limits: dict[str, Any] = {"max_epochs": -1, "max_steps": -1, "max_time": None, "limit_val_batches": 0}
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        self.trainer = self.make_trainer(**limits, **quiet, default_root_dir=self.folder.name)


def find_learning_rate(args: Sequence[str], plot: str | None = None) -> float:
    """Raise the learning rate from step to step; print the one at which the loss falls fastest.

    Args:
        args: arguments of ``zoo fit``.
        plot: a file for the curve of losses, ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        UserError: an option is wrong.
        RunError: no rate was tried, or the loss is not finite.
    """
    path = None if plot is None else require_plot("--plot", plot)
    cli = FindCLI("find", resolve_new("find", args), None)
    low, high = RATES
    with cli.folder, _bar_in_terminals():
        finder = Tuner(cli.trainer).lr_find(
            cli.model, datamodule=cli.datamodule, min_lr=low, max_lr=high, num_training=STEPS, update_attr=False
        )
    if finder is None:
        raise RunError("no learning rate was tried; leave --trainer.fast_dev_run out")
    # Lightning's running mean of the loss starts far too low; its own suggestion skips as many steps.
    finder.results = {name: values[SKIPPED_STEPS:] for name, values in finder.results.items()}
    best = finder.suggestion(skip_begin=0)
    if best is None:
        raise RunError("the loss is not finite at low learning rates already; look at the data: zoo check")
    print(f"learning rate {best:.2g}: of {STEPS} from {low:.0e} to {high:.0e}, the loss falls fastest there")
    print(f"use it with: --optimizer.lr {best:.2g}")
    if path is not None:
        draw_with(path, partial(finder.plot, suggest=True))
    return float(best)


def find_batch_size(args: Sequence[str]) -> int:
    """Double the batch size until a batch does not fit in memory, or holds all images; print the largest that fits.

    Args:
        args: arguments of ``zoo fit``.

    Raises:
        UserError: an option is wrong.
        RunError: no batch was tried.
    """
    cli = FindCLI("find", resolve_new("find", args), None)
    gpu = cli.trainer.strategy.root_device.type != "cpu"
    most = min(MOST_ON_GPU if gpu else MOST_ON_CPU, len(cli.datamodule.source("train")))
    try:
        with cli.folder:
            size = Tuner(cli.trainer).scale_batch_size(
                cli.model, datamodule=cli.datamodule, init_val=2, max_trials=max(1, most.bit_length() - 1)
            )
    except ValueError as error:
        raise UserError(f"zoo find batch_size: {error}; give --trainer.devices 1") from error
    if size is None:
        raise RunError("no batch was tried; leave --trainer.fast_dev_run out")
    limit = f"of those up to {most}" + ("" if gpu else ", the largest that is tried without a GPU")
    print(f"batch size {size}: the largest power of two that fits in memory, {limit}")
    print(f"use it with: --data.batch_size {size}")
    return size


@contextlib.contextmanager
def _bar_in_terminals() -> Iterator[None]:
    """Show Lightning's progress bar in a terminal only."""
    with contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO()):
        yield
