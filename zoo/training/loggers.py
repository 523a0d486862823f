"""Lightning's loggers by name; each writes the rows of metrics.csv into the run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger

from zoo.core.errors import UserError, did_you_mean
from zoo.runs.folder import Run


def _tensorboard(run: Run, done_steps: int) -> Logger:
    # A resumed run logs again what a killed process logged after its last checkpoint.
    return TensorBoardLogger(run.path, name="", version="tensorboard", purge_step=done_steps + 1)


def _wandb(run: Run, done_steps: int) -> Logger:
    folders = sorted((run.path / "wandb").glob("*run-*-*"), key=lambda path: path.stat().st_mtime) if done_steps else []
    run_id = folders[-1].name.rpartition("-")[2] if folders else None  # a resumed run continues its own
    return WandbLogger(f"{run.path.parent.name}-{run.path.name}", project="zoo", save_dir=run.path, id=run_id)


def _mlflow(run: Run, done_steps: int) -> Logger:
    experiment, name = run.path.parent.name, run.path.name
    folder = run.path.absolute()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    server = os.environ.get("MLFLOW_TRACKING_URI", uri)  # mlflow itself sets it, too
    if server != uri:
        return MLFlowLogger(experiment, run_name=name, tracking_uri=server)
    if done_steps:
        from mlflow.tracking import MlflowClient  # not among zoo's requirements

        client = MlflowClient(uri)
        earlier = client.get_experiment_by_name(experiment)
        if earlier is not None and (runs := client.search_runs([earlier.experiment_id])):
            return MLFlowLogger(experiment, tracking_uri=uri, run_id=runs[0].info.run_id)
    return MLFlowLogger(experiment, run_name=name, tracking_uri=uri, artifact_location=folder.as_uri())


#: What builds each logger, and the package it needs.
LOGGERS: dict[str, tuple[Callable[[Run, int], Logger], str]] = {
    "tensorboard": (_tensorboard, "tensorboard"),
    "wandb": (_wandb, "wandb"),
    "mlflow": (_mlflow, "mlflow"),
}


def named_loggers(names: str | Sequence[str] | None, run: Run, done_steps: int) -> list[Logger]:
    """Build loggers by name.

    Args:
        names: one or several of LOGGERS, or None.
        run: the folder they write to.
        done_steps: optimizer steps that a resumed run has done, else 0.

    Raises:
        UserError: there is no such logger, or its package is not installed.
    """
    loggers = []
    for name in [names] if isinstance(names, str) else names or []:
        if name not in LOGGERS:
            raise UserError(f"logger is '{name}'; allowed are {', '.join(LOGGERS)}{did_you_mean(name, LOGGERS)}")
        build, package = LOGGERS[name]
        try:
            loggers.append(build(run, done_steps))
        except ModuleNotFoundError as error:
            raise UserError(f"logger {name} needs a package that is not here: pip install {package}") from error
    return loggers
