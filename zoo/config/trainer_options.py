"""Values of Trainer's options that Lightning takes, and then fails on in the middle of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from zoo.core.errors import UserError

#: Options that count steps, batches or epochs; Lightning divides by them.
COUNTS = ("log_every_n_steps", "accumulate_grad_batches", "check_val_every_n_epoch")

#: Options that may be times, as mappings of the units of datetime.timedelta.
TIMES = ("max_time", "val_check_interval")
UNITS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds")

#: Processes on one core; each holds the data set and the network, and takes half a gigabyte by itself.
MOST_PER_CORE = 4


def require_possible(trainer: Any) -> None:
    """Refuse, by a UserError, values that end a run with an error after its folder was made.

    Args:
        trainer: the options of Trainer, as attributes.
    """
    for name in COUNTS:
        if (value := getattr(trainer, name)) is not None and value < 1:
            raise UserError(f"trainer.{name} is {value}; allowed is 1 or more")
    interval = trainer.val_check_interval
    if isinstance(interval, int | float) and interval <= 0:
        raise UserError(
            f"trainer.val_check_interval is {interval}; allowed is a part of an epoch, or 1 or more batches"
        )
    for name in TIMES:
        value = getattr(trainer, name)
        if isinstance(value, Mapping) and not value.keys() <= set(UNITS):
            raise UserError(f"trainer.{name} is {dict(value)}; allowed are {', '.join(UNITS)}, or DD:HH:MM:SS")
    most = MOST_PER_CORE * (os.cpu_count() or 1)
    many = str(trainer.devices).isdigit() and int(trainer.devices) > most
    if many and (trainer.accelerator == "cpu" or (trainer.accelerator == "auto" and not torch.cuda.is_available())):
        raise UserError(f"trainer.devices is {trainer.devices}; allowed are up to {most} processes on these cores")
