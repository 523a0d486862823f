"""Experiment trackers: each module holds the builder of one logger, which alone imports the tracker's package.

The trackers' packages get what is to be tracked, and report nothing about their own use: they read these variables when
they are imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.core.errors import UserError

for _variable, _value in {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}.items():
    os.environ.setdefault(_variable, _value)


@contextmanager
def requires(package: str) -> Iterator[None]:
    """Turn a module that is missing into a UserError that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"it needs a package that is not here: pip install {package}") from error
