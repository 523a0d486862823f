"""Loggers by name: Lightning's, each writing below the run folder what metrics.csv is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger

from zoo.core.errors import UserError, did_you_mean
from zoo.runs.folder import Run


def _tensorboard(run: Run, done_steps: int) -> Logger:
    # What a killed process logged after its last checkpoint is logged again.
    return TensorBoardLogger(run.path, name="", version="tensorboard", purge_step=done_steps + 1)


def _wandb(run: Run, done_steps: int) -> Logger:
    folders = sorted((run.path / "wandb").glob("*run-*-*"), key=lambda path: path.stat().st_mtime) if done_steps else []
    known = folders[-1].name.rpartition("-")[2] if folders else None  # a resumed run goes on with its own
    return WandbLogger(f"{run.path.parent.name}-{run.path.name}", project="zoo", save_dir=run.path, id=known)


def _mlflow(run: Run, done_steps: int) -> Logger:
    experiment, name = run.path.parent.name, run.path.name
    folder = run.path.absolute()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    server = os.environ.get("MLFLOW_TRACKING_URI", uri)  # mlflow itself sets it, too
    if server != uri:
        return MLFlowLogger(experiment, run_name=name, tracking_uri=server)
    logger = MLFlowLogger(experiment, run_name=name, tracking_uri=uri, artifact_location=folder.as_uri())
    known = logger._mlflow_client.get_experiment_by_name(experiment) if done_steps else None
    found = [] if known is None else logger._mlflow_client.search_runs([known.experiment_id])
    if not found:
        return logger
    return MLFlowLogger(experiment, tracking_uri=uri, run_id=found[0].info.run_id)


#: How each is made, and the package it needs.
LOGGERS: dict[str, tuple[Callable[[Run, int], Logger], str]] = {
    "tensorboard": (_tensorboard, "tensorboard"),
    "wandb": (_wandb, "wandb"),
    "mlflow": (_mlflow, "mlflow"),
}


def named_loggers(names: str | Sequence[str] | None, run: Run, done_steps: int) -> list[Logger]:
    """Return the loggers of these names.

    Args:
        names: of LOGGERS; one, several, or None.
        run: the folder they write to.
        done_steps: optimizer steps that a resumed run has done, else 0.

    Raises:
        UserError: there is no such logger, or its package is not installed.
    """
    found = []
    for name in [names] if isinstance(names, str) else names or []:
        if name not in LOGGERS:
            known = ", ".join(LOGGERS)
            raise UserError(f"logger is '{name}'; allowed are {known}{did_you_mean(name, LOGGERS)}")
        make, package = LOGGERS[name]
        try:
            found.append(make(run, done_steps))
        except ModuleNotFoundError as error:
            raise UserError(f"logger {name} needs a package that is not here: pip install {package}") from error
    return found
