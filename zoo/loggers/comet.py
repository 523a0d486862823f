"""Comet: an experiment of the project ``zoo``; its variables, such as COMET_API_KEY, have their effect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import CometLogger

from zoo.loggers import requires
from zoo.runs.logged import LoggedRun


class CometExperiment(CometLogger):
    """An experiment of Comet with drawings and files as its assets."""

    def log_files(self, files: Sequence[Path], step: int) -> None:
        """Add drawings as images and the others as assets, and wait until they are read."""
        for path in files:
            if path.suffix == ".png":
                self.experiment.log_image(str(path), name=path.stem, step=step)
            else:
                self.experiment.log_asset(str(path), file_name=path.name, step=step)
        self.experiment.flush()

    def close(self) -> None:
        """End the experiment, so that the next run of this process gets its own."""
        self.experiment.end()


@requires("comet-ml")
def comet(run: LoggedRun, project: str = "zoo", workspace: str | None = None) -> CometExperiment:
    """Log to Comet; with COMET_START_ONLINE=0 into an archive in RUN/comet, which ``comet upload`` sends later.

    Args:
        run: the run.
        project: the project.
        workspace: owner of the project; by default yours.
    """
    return CometExperiment(
        project=project,
        workspace=workspace,
        experiment_key=run.tracker_id or None,
        name=f"{run.experiment}-{run.name}",
        offline_directory=str(run.path / "comet"),
        display_summary_level=0,
    )
