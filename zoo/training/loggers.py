"""Loggers by name; each writes the rows of metrics.csv, too."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from lightning.pytorch.loggers.logger import Logger

from zoo.core.console import is_first_process
from zoo.core.errors import UserError, ZooError, did_you_mean, first_line
from zoo.runs.folder import Run
from zoo.runs.logged import LoggedRun, record_tracker_ids, tracker_ids

#: The module of each logger, which holds a builder of the same name, and what installs its package.
LOGGERS: dict[str, str] = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "comet": "comet-ml"}


def named_loggers(names: str | Sequence[str] | None, run: Run, done_steps: int) -> list[Logger]:
    """Build loggers by name, and record what their trackers call the run.

    Args:
        names: one or several of LOGGERS, or None.
        run: the folder they write to.
        done_steps: optimizer steps that a resumed run has done, else 0.

    Raises:
        UserError: there is no such logger, its package is not installed, or it cannot begin.
    """
    loggers: dict[str, Logger] = {}
    ids = tracker_ids(run)
    for name in [names] if isinstance(names, str) else names or []:
        if name not in LOGGERS:
            raise UserError(f"logger is '{name}'; allowed are {', '.join(LOGGERS)}{did_you_mean(name, LOGGERS)}")
        builder = getattr(import_module(f"zoo.loggers.{name}"), name)
        try:
            loggers[name] = builder(LoggedRun(run.path.absolute(), done_steps, ids.get(name, "")))
        except ModuleNotFoundError as error:
            package = LOGGERS[name]
            raise UserError(f"logger {name} needs a package that is not here: pip install {package}") from error
        except ZooError as error:
            raise UserError(f"logger {name}: {error}") from error
        except Exception as error:  # a tracker's package has errors of its own
            raise UserError(f"logger {name} cannot begin: {type(error).__name__}: {first_line(error)}") from error
    if is_first_process():
        versions = {name: logger.version for name, logger in loggers.items()}
        record_tracker_ids(run, {name: str(version) for name, version in versions.items() if version is not None})
    return list(loggers.values())
