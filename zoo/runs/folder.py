"""Run: the folder with everything one training leaves.

    runs/<data set>-<architecture>/version_<n>/
      config.yaml  checkpoints/best.ckpt  checkpoints/last.ckpt  metrics.csv  split.csv  state.json
      training_images.json  calibration.json  trackers.json  trust.json  results.json  predictions.csv  report.html

Every file in it is complete at every moment: it is written beside its place and moved there.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.core.errors import CheckpointError, UserError
from zoo.core.whole_file import remove_leftovers
from zoo.runs.records import read_record

#: What zoo runs shows of a run, and can sort by: names upwards, what is measured downwards.
RUN_COLUMNS = ("data", "model", "val", "test", "epochs", "date", "state", "device", "size", "path")


@dataclass(frozen=True)
class Run:
    """Paths in a run folder.

    Args:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, root: Path, dataset: str, architecture: str) -> Run:
        """Make the folder ``root/<data set>-<architecture>/version_<n>`` with the lowest n above all there.

        Raises:
            UserError: the folder cannot be made.
        """
        path = cls.new_folder(root, dataset, architecture, "version")
        (path / "checkpoints").mkdir()
        return cls(path)

    @staticmethod
    def new_folder(root: Path, dataset: str, architecture: str, kind: Literal["version", "folds", "seeds"]) -> Path:
        """Make a folder ``root/<data set>-<architecture>/<kind>_<n>``, n above all there; errors as ``create``."""
        parent = root / re.sub(r"[^\w.-]+", "-", f"{dataset}-{architecture}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            while True:
                names = [path.name.removeprefix(f"{kind}_") for path in parent.glob(f"{kind}_*")]
                taken = [int(name) for name in names if name.isdecimal()]
                path = parent / f"{kind}_{max(taken, default=-1) + 1}"
                try:
                    path.mkdir()
                except FileExistsError:  # another run took the number in this moment
                    continue
                return path
        except OSError as error:
            raise UserError(
                f"a run folder cannot be made in {parent}: {error.strerror}; choose another place with "
                "--trainer.default_root_dir"
            ) from error

    @classmethod
    def create_named(cls, root: Path, name: str) -> Run:
        """Make the folder ``root/name``.

        Raises:
            UserError: it is there already, and holds something, or it cannot be made.
        """
        path = root / name
        try:
            (path / "checkpoints").mkdir(parents=True, exist_ok=cls(path).is_empty())
        except OSError as error:
            raise UserError(f"the run folder {path} cannot be made: {error.strerror}; choose another --run") from error
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Return the run at a path.

        Raises:
            UserError: there is no run there.
        """
        run = cls(Path(path))
        if not os.path.isfile(run.config):  # False too for a name that no file can have
            what = "has no config.yaml" if os.path.isdir(run.path) else "does not exist"
            raise UserError(f"{path} is not a run folder: it {what}; 'zoo fit' prints the folder it made")
        return run

    def is_empty(self) -> bool:
        """Tell whether nothing is in it but its own empty folder, and what comes before config.yaml.

        A training was killed as it began.
        """
        own = self.last.parent
        if not own.is_dir() or any(own.iterdir()):
            return False
        rest = [path for path in self.path.iterdir() if path != own]
        begun = all(path in (self.lock, self.split, self.trust) or path.suffix in (".py", ".part") for path in rest)
        return begun and (not rest or self.lock in rest)

    def require_writable(self) -> None:
        """Refuse, by a UserError, a folder in which nothing can be written: a training would lose what it does."""
        for folder in (self.path, self.last.parent):
            try:
                with suppress(FileNotFoundError), tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise UserError(
                    f"run folder {folder} cannot be written: {error.strerror}; make it writable, or copy the run to "
                    "another place"
                ) from error

    def remove_leftovers(self) -> None:
        """Remove what processes that were killed while they wrote have left."""
        remove_leftovers(self.path)
        remove_leftovers(self.last.parent)
        remove_leftovers(self.last.parent, self.last.name, self.best.name)  # earlier versions named them otherwise

    def discard(self) -> None:
        """Remove a run that was made but not trained: its small files and empty folders, never anything else."""
        small = (self.config, self.split, self.state, self.lock, self.training_images, self.trust)
        for path in (*small, *self.path.glob("*.py")):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # a folder that holds something stays
            self.last.parent.rmdir()
            self.path.rmdir()
            if self.path.name.startswith("version_"):
                self.path.parent.rmdir()

    @property
    def title(self) -> str:
        """The last two names of its path, ``<data set>-<architecture>/version_<n>`` where it was made."""
        return "/".join(self.path.resolve().parts[-2:])

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation accuracy."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        """The checkpoint that training resumes from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def metrics(self) -> Path:
        """One row a logged step or epoch."""
        return self.path / "metrics.csv"

    @property
    def split(self) -> Path:
        """Which image is in which split, where the split was drawn."""
        return self.path / "split.csv"

    @property
    def state(self) -> Path:
        """Whether the last training came to its end."""
        return self.path / "state.json"

    @property
    def lock(self) -> Path:
        """Locked by the process that trains the run."""
        return self.path / ".training.lock"

    @property
    def results(self) -> Path:
        """What the last test measured."""
        return self.path / "results.json"

    @property
    def predictions(self) -> Path:
        """What the last test predicted for each image."""
        return self.path / "predictions.csv"

    @property
    def training_images(self) -> Path:
        """Ranges of brightness, contrast, sharpness and size of the training images."""
        return self.path / "training_images.json"

    @property
    def calibration(self) -> Path:
        """The temperature of the probabilities, fitted on the validation images."""
        return self.path / "calibration.json"

    @property
    def trackers(self) -> Path:
        """What experiment trackers call the run, by the logger's name."""
        return self.path / "trackers.json"

    @property
    def trust(self) -> Path:
        """What of the user's own the configuration names, signed; only where it names anything."""
        return self.path / "trust.json"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    def known_training_images(self) -> dict[str, list[float]]:
        """Return what ``training_images`` holds; nothing in a run of a version that did not write it."""
        return read_record(self.training_images)

    def temperature(self, step: int) -> float:
        """Return the number by which logits are divided before they become probabilities; 1 where none is fitted.

        Args:
            step: of the checkpoint; a temperature of another one does not count.
        """
        recorded = read_record(self.calibration)
        return float(recorded["temperature"]) if recorded and recorded["step"] == step else 1.0

    def trained(self) -> Path:
        """Return the checkpoint to use: the best one, else the last.

        Raises:
            CheckpointError: the run has none.
        """
        for path in (self.best, self.last):
            if path.is_file():
                return path
        raise CheckpointError(f"run {self.path} has no checkpoint in checkpoints/; train it with: zoo fit {self.path}")


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; a link counts as itself, and what vanishes meanwhile as nothing."""
    size = 0
    for path, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(path, name))]
        for name in (*files, *links):
            with suppress(OSError):
                size += os.lstat(os.path.join(path, name)).st_size
    return size


def size_text(size: int) -> str:
    """Return bytes as people read them, in powers of 1000: ``268 kB``, ``1.2 GB``."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if value < 10 and units[0] != "B" else f"{value:.0f} {units[0]}"
