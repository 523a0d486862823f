"""Weights & Biases: a run of the project ``zoo``; its variables, such as WANDB_MODE=offline, have their effect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import WandbLogger

from zoo.core.console import is_first_process
from zoo.loggers import requires
from zoo.runs.logged import LoggedRun


class WandbRun(WandbLogger):
    """A run of Weights & Biases that shows drawings and the report, and holds all files as one artifact."""

    #: Whether it was begun here: one that the program around zoo has begun is that program's to end.
    own = True

    def log_files(self, files: Sequence[Path], step: int) -> None:
        """Show drawings and the report, and add all files as an artifact."""
        import wandb

        artifact = wandb.Artifact(f"results-{self.experiment.id}", type="results")
        for path in files:
            artifact.add_file(str(path))
            if path.suffix == ".png":
                self.experiment.log({path.stem: wandb.Image(str(path)), "trainer/global_step": step})
            elif path.suffix == ".html":
                self.experiment.log({path.stem: wandb.Html(str(path)), "trainer/global_step": step})
        self.experiment.log_artifact(artifact)

    def close(self) -> None:
        """End the run, so that the next one of this process gets its own."""
        if self.own:
            self.experiment.finish()


@requires("wandb")
def wandb(run: LoggedRun, project: str = "zoo", entity: str | None = None) -> WandbRun:
    """Log to Weights & Biases; its files lie in RUN/wandb.

    Args:
        run: the run.
        project: the project.
        entity: user or team that owns it; by default yours.
    """
    name = f"{run.experiment}-{run.name}"
    logger = WandbRun(
        name, project=project, save_dir=run.path, id=run.tracker_id or None, entity=entity, group=run.experiment
    )
    if is_first_process():
        import wandb

        logger.own = wandb.run is None
        _ = logger.experiment  # begins the run
    return logger
