"""zoo find: a learning rate or a batch size to begin with, tried on the training itself; leaves nothing behind."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.tuner.tuning import Tuner

from zoo.config.fit import FitCLI
from zoo.config.resolve import resolve_new
from zoo.core.errors import RunError, UserError
from zoo.reports.plots import draw_by, require_plot

#: Learning rates tried, from the first to the second, each for one step.
RATES, STEPS = (1e-6, 1.0), 100

#: Steps whose losses do not count.
SETTLING = 10

#: The largest batch tried. Where there is no GPU it is the machine's own memory that would run out, for all of it.
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


def find(what: str, args: Sequence[str], plot: str | None = None) -> float | int:
    """Find one value, and print it with the option that sets it.

    Args:
        what: ``lr`` or ``batch_size``.
        args: what would follow ``zoo fit``.
        plot: of lr: a file for the curve of losses, ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        UserError: an option is wrong.
        RunError: nothing can be found.
    """
    if what not in ("lr", "batch_size"):
        raise UserError(f"zoo find: received '{what}'; allowed are lr and batch_size")
    if plot is not None and what != "lr":
        raise UserError("--plot draws the losses of learning rates; leave it out")
    path = None if plot is None else require_plot("--plot", plot)
    cli = FindCLI("find", resolve_new("find", args), None)
    with cli.folder:
        return _learning_rate(cli, path) if what == "lr" else _batch_size(cli)


def _learning_rate(cli: FindCLI, path: Path | None) -> float:
    """Raise the rate from step to step; where the loss falls fastest is the one to take, Lightning's finder says."""
    low, high = RATES
    with _bar_in_terminals():
        found = Tuner(cli.trainer).lr_find(
            cli.model, datamodule=cli.datamodule, min_lr=low, max_lr=high, num_training=STEPS, update_attr=False
        )
    if found is None:
        raise RunError("no learning rate was tried; leave --trainer.fast_dev_run out")
    # Its running mean of the loss begins far too low; its own suggestion leaves as many steps out.
    found.results = {name: values[SETTLING:] for name, values in found.results.items()}
    best = found.suggestion(skip_begin=0)
    if best is None:
        raise RunError("the loss is not finite from low learning rates on; look at the data: zoo check")
    print(f"learning rate {best:.2g}: of {STEPS} from {low:.0e} to {high:.0e}, the loss falls fastest there")
    print(f"use it with: --optimizer.lr {best:.2g}")
    if path is not None:
        draw_by(path, partial(found.plot, suggest=True))
    return float(best)


def _batch_size(cli: FindCLI) -> int:
    """Double the batch until it does not fit in memory, or holds all images."""
    gpu = cli.trainer.strategy.root_device.type != "cpu"
    most = min(MOST_ON_GPU if gpu else MOST_ON_CPU, len(cli.datamodule.source("train")))
    try:
        size = Tuner(cli.trainer).scale_batch_size(
            cli.model, datamodule=cli.datamodule, init_val=2, max_trials=max(1, most.bit_length() - 1)
        )
    except ValueError as error:
        raise UserError(f"zoo find batch_size: {error}; give --trainer.devices 1") from error
    if size is None:
        raise RunError("no batch was tried; leave --trainer.fast_dev_run out")
    why = f"of those up to {most}" + ("" if gpu else ", all that is tried without a GPU")
    print(f"batch size {size}: the largest power of two that fits in memory, {why}")
    print(f"use it with: --data.batch_size {size}")
    return size


@contextlib.contextmanager
def _bar_in_terminals() -> Iterator[None]:
    """Keep the finder's progress bar where nobody sees it move out of what is written."""
    with contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO()):
        yield
