"""TensorBoard: event files in RUN/tensorboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from zoo.loggers import requires
from zoo.runs.logged import LoggedRun


class EventFiles(TensorBoardLogger):
    """TensorBoard's event files, which hold drawings and texts as well."""

    def log_files(self, files: Sequence[Path], step: int) -> None:
        """Add drawings and the configuration; of the report, which TensorBoard cannot show, its place."""
        for path in files:
            if path.suffix == ".png":
                self.experiment.add_image(
                    path.stem, np.asarray(Image.open(path).convert("RGB")), step, dataformats="HWC"
                )
            elif path.suffix == ".yaml":
                lines = path.read_text(encoding="utf-8").splitlines()
                self.experiment.add_text(path.stem, "\n".join(f"    {line}" for line in lines), step)
            elif path.suffix == ".html":
                self.experiment.add_text(path.stem, f"`{path}`", step)

    def close(self) -> None:
        """Write what is still in memory."""
        self.experiment.close()


@requires("tensorboard")
def tensorboard(run: LoggedRun) -> EventFiles:
    """Write TensorBoard's event files into RUN/tensorboard; see them with: tensorboard --logdir runs."""
    # A resumed run logs again what a killed process logged after its last checkpoint.
    purge = run.done_steps + 1 if run.done_steps else None
    return EventFiles(run.path, name="", version="tensorboard", purge_step=purge, default_hp_metric=False)
