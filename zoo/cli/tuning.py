"""What ``zoo find`` does: try learning rates or batch sizes on a training; nothing is written but the plot."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.tuner.tuning import Tuner
from matplotlib.axes import Axes

from zoo.config.fit_cli import FitCLI
from zoo.config.resolve import resolve_new
from zoo.core.errors import RunError, UserError
from zoo.reports.plots import draw_with, require_plot

#: Learning rates tried, two in a decade.
RATES = tuple(10 ** (exponent / 2) for exponent in range(-10, 1))

#: A rate is tried for so many optimizer steps, and for at most so many epochs.
STEPS, EPOCHS = 500, 3

#: Validation images that a rate is judged by.
VAL_IMAGES = 2_000

#: The search ends after so many rates in a row that are not the best.
WORSE_RATES = 2

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
        self.trainer = self.short_trainer(limit_val_batches=0)

    def short_trainer(self, **limits: Any) -> Trainer:
        """Build a trainer without an end but these limits, which writes and prints nothing."""
        endless: dict[str, Any] = {"max_epochs": -1, "max_steps": -1, "max_time": None}
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        return self.make_trainer(**(endless | quiet | limits), default_root_dir=self.folder.name)


def find_learning_rate(args: Sequence[str], plot: str | None = None) -> float:
    """Train shortly with each of RATES, from the same weights on the same batches; print the best by val/loss.

    The best rate and its neighbours give a parabola over the logarithm of the rate, whose lowest point is printed.

    Args:
        args: arguments of ``zoo fit``; ``--trainer.max_steps`` is the number of steps for each rate.
        plot: a file for the curve of losses, ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        UserError: an option is wrong.
        RunError: no rate was tried, or the loss is not finite.
    """
    path = None if plot is None else require_plot("--plot", plot)
    cli = FindCLI("find", resolve_new("find", args), None)
    if cli.config.trainer.fast_dev_run:
        raise RunError("no learning rate was tried; leave --trainer.fast_dev_run out")
    asked = cli.config.trainer.max_steps
    steps = min(STEPS, EPOCHS * len(cli.datamodule.train_dataloader())) if asked < 1 else asked
    losses = {}
    with cli.folder:
        for rate, loss in _tried(cli, steps):
            losses[rate] = loss
            print(f"learning rate {rate:.1e}: val loss {loss:.4f} after {steps} steps", file=sys.stderr)
    finite = {rate: loss for rate, loss in losses.items() if math.isfinite(loss)}
    if not finite:
        raise RunError("the loss is not finite at low learning rates already; look at the data: zoo check")
    best = _lowest(finite)
    print(f"learning rate {best:.2g}: of {len(losses)} from {RATES[0]:.0e} up, the val loss is lowest there")
    print(f"use it with: --optimizer.lr {best:.2g}")
    if path is not None:
        draw_with(path, partial(_draw_losses, finite, best))
    return best


def _tried(cli: FindCLI, steps: int) -> Iterator[tuple[float, float]]:
    """Train with one rate after another, each from the first weights; yield the rate and val/loss, NaN included."""
    model, data = cli.model, cli.datamodule
    weights, optimizer = deepcopy(model.state_dict()), model.optimizer
    batches = -(-VAL_IMAGES // data.batch_size)
    lowest, worse = math.inf, 0
    for rate in RATES:
        model.load_state_dict(weights)
        model.optimizer = {**optimizer, "init_args": {**(optimizer.get("init_args") or {}), "lr": rate}}
        torch.manual_seed(data.seed)  # of dropout
        trainer = cli.short_trainer(max_steps=steps, limit_val_batches=min(batches, len(data.val_dataloader())))
        trainer.fit(model, data)
        [figures] = trainer.validate(model, data, verbose=False)
        loss = figures["val/loss"]
        yield rate, loss
        worse = 0 if loss < lowest else worse + 1
        lowest = min(lowest, loss if math.isfinite(loss) else math.inf)
        if worse == WORSE_RATES and math.isfinite(lowest):
            return


def _lowest(losses: Mapping[float, float]) -> float:
    """Return the rate with the lowest loss, between its neighbours by the parabola through the three."""
    rates = list(losses)
    place = min(range(len(rates)), key=lambda index: losses[rates[index]])
    if not 0 < place < len(rates) - 1:
        return rates[place]
    left, middle, right = (math.log(losses[rate]) for rate in rates[place - 1 : place + 2])
    shift = (left - right) / (2 * (left - 2 * middle + right))  # in steps between rates, at most half a step
    return float(rates[place] * (rates[place + 1] / rates[place]) ** shift)


def _draw_losses(losses: Mapping[float, float], best: float, ax: Axes) -> None:
    ax.plot(list(losses), list(losses.values()), marker="o")
    ax.axvline(best, linestyle="dashed", label=f"{best:.2g}")
    ax.set_xscale("log")
    ax.set_xlabel("learning rate")
    ax.set_ylabel("validation loss")
    ax.legend()


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
