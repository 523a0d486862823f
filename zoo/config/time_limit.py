"""zoo fit --time 10m: reads the time, finds what contradicts it, and writes the length that fits it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.core.errors import UserError

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from zoo.training.time_budget import Length

#: Seconds of a unit.
UNITS = {"h": 3600, "m": 60, "s": 1}

#: Epochs of a training until its speed decides them.
MOST_EPOCHS = 1_000_000

#: Options of Trainer that say how long to train.
LENGTHS = ("max_epochs", "max_steps", "max_time", "min_epochs", "min_steps", "limit_train_batches", "fast_dev_run")


@dataclass(frozen=True)
class TimeLimit:
    """The time that a new training may take.

    Args:
        seconds: its length.
        begin: when it began, of ``time.monotonic()``.
    """

    seconds: float
    begin: float


def time_limit(value: str | float | None, begin: float | None = None) -> TimeLimit | None:
    """Return the limit that a text such as ``90s``, ``10m`` or ``1h30m``, or a number of seconds, means.

    Args:
        value: the time; None is no limit.
        begin: when it began; by default now.

    Raises:
        UserError: it is none of these, or not more than 0.
    """
    if value is None:
        return None
    if isinstance(value, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", value)
        whole = parts and "".join(number + unit for number, unit in parts) == value.replace(" ", "")
        seconds = sum(float(number) * UNITS[unit] for number, unit in parts) if whole else 0.0
    else:
        seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise UserError(f"--time is '{value}'; allowed are hours, minutes and seconds: 1h30m, 10m or 90s")
    return TimeLimit(seconds, time.monotonic() if begin is None else begin)


def require_no_length(args: Sequence[str], configs: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse, by a UserError, options beside --time that say how long to train; those of config files give way.

    Args:
        args: options as on the command line.
        configs: name and content of configurations, of which those of ``zoo.fit`` are a call's arguments.
    """
    typed = [arg.partition("=")[0].removeprefix("--trainer.") for arg in args if arg.startswith("--trainer.")]
    typed += [key for name, content in configs if name == "zoo.fit" for key in content.get("trainer", {})]
    for key in LENGTHS:
        if key in typed:
            raise UserError(f"--time and --trainer.{key} both say how long to train; leave one of them out")


def without_length(config: Namespace) -> None:
    """Let a configuration say nothing about how long to train, so that --time decides it."""
    trainer, scheduler = config.trainer, config.lr_scheduler
    trainer.max_steps, trainer.max_time = -1, None
    arguments = getattr(scheduler, "init_args", {})
    if "T_max" in arguments:
        arguments["T_max"] = 0
    for key in ("total_steps", "epochs", "steps_per_epoch"):
        if key in arguments:
            arguments[key] = None


def set_length(trainer: Any, length: Length) -> None:
    """Write the length that a training's speed allows into the options of its Trainer."""
    trainer.max_epochs, trainer.check_val_every_n_epoch = length.epochs, length.every
    if length.batches is not None:
        trainer.limit_train_batches = length.batches
