"""MLflow: a run on the server that MLFLOW_TRACKING_URI names, else in the run folder's mlflow.db."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from lightning.pytorch.loggers import MLFlowLogger

from zoo.core.errors import UserError
from zoo.loggers import requires
from zoo.runs.logged import LoggedRun

#: Seconds in which a server must answer; without this question mlflow would repeat its own for minutes.
ANSWER_SECONDS = 10


class MLflowRun(MLFlowLogger):
    """A run of MLflow with files as its artifacts."""

    def log_files(self, files: Sequence[Path], step: int) -> None:
        """Add the files as artifacts."""
        for path in files:
            self.experiment.log_artifact(self.run_id, str(path))


@requires("mlflow")
def mlflow(run: LoggedRun, tracking_uri: str | None = None, experiment: str | None = None) -> MLflowRun:
    """Log to MLflow.

    Args:
        run: the run.
        tracking_uri: address of the server; by default that of the variable MLFLOW_TRACKING_URI, else the database
            RUN/mlflow.db, which ``mlflow ui --backend-store-uri sqlite:///RUN/mlflow.db`` shows.
        experiment: name of MLflow's experiment; by default that of the folder around the run's.

    Raises:
        UserError: the server does not answer.
    """
    from mlflow import set_tracking_uri  # not among zoo's requirements

    before = os.environ.get("MLFLOW_TRACKING_URI")
    uri = tracking_uri or before or f"sqlite:///{run.path / 'mlflow.db'}"
    logger = MLflowRun(
        experiment or run.experiment,
        run_name=run.name,
        tracking_uri=uri,
        run_id=run.tracker_id or None,
        artifact_location=(run.path / "mlflow").as_uri() if uri.startswith("sqlite:") else None,
    )
    if uri.startswith(("http://", "https://")):
        _require_server(uri)
    _ = logger.experiment  # creates the run, and makes its address that of the whole process
    set_tracking_uri(before)  # or the next run of this process would log to this one's database
    return logger


def _require_server(uri: str) -> None:
    """Raise a UserError if no server answers at the address."""
    try:
        urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER_SECONDS).close()
    except HTTPError:  # somebody is there; mlflow will say what is wrong
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"MLflow's server {uri} does not answer: {reason}; start it, or change MLFLOW_TRACKING_URI"
        ) from error
