"""Run: the folder with everything one training leaves.

    runs/<data set>-<architecture>/version_<n>/
      config.yaml  checkpoints/best.ckpt  checkpoints/last.ckpt  metrics.csv  state.json  results.json  report.html

Every file in it is complete at every moment: it is written beside its place and moved there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from zoo.core.errors import CheckpointError, RunError, UserError


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
        parent = root / re.sub(r"[^\w.-]+", "-", f"{dataset}-{architecture}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            while True:
                taken = [int(path.name[8:]) for path in parent.glob("version_*") if path.name[8:].isdecimal()]
                path = parent / f"version_{max(taken, default=-1) + 1}"
                try:
                    path.mkdir()
                except FileExistsError:  # another run took the number in this moment
                    continue
                (path / "checkpoints").mkdir()
                return cls(path)
        except OSError as error:
            raise UserError(
                f"a run folder cannot be made in {parent}: {error.strerror}; choose another place with "
                "--trainer.default_root_dir"
            ) from error

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Return the run at a path.

        Raises:
            UserError: there is no run there.
        """
        run = cls(Path(path))
        if not run.config.is_file():
            what = "has no config.yaml" if run.path.is_dir() else "does not exist"
            raise UserError(f"{path} is not a run folder: it {what}; 'zoo fit' prints the folder it made")
        return run

    def discard(self) -> None:
        """Remove a run that was made but not trained: its small files and empty folders, never anything else."""
        for path in (self.config, self.state, self.lock):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # a folder that holds something stays
            self.last.parent.rmdir()
            self.path.rmdir()

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
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    def trained(self) -> Path:
        """Return the checkpoint to use: the best one, else the last.

        Raises:
            CheckpointError: the run has none.
        """
        for path in (self.best, self.last):
            if path.is_file():
                return path
        raise CheckpointError(f"run {self.path} has no checkpoint in checkpoints/; train it with: zoo fit {self.path}")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file beside ``path`` to write, and move it to ``path`` if nothing fails.

    It is on the disk before it is moved: at every moment the old content or the new one is there, whole.

    Raises:
        OSError: the folder is read-only, the disk is full ...; the old file is untouched and nothing else is left.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            temporary = Path(file.name)
            yield file.file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # temporary files are private, what a run leaves is not
        os.replace(temporary, path)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file by a complete new one, or leave the old one as it was.

    Text becomes UTF-8; bytes of a file's name that are none appear as escapes, which JSON knows.

    Raises:
        RunError: the folder is read-only or the disk is full.
    """
    try:
        with replacing(path) as file:
            file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs: indented, UTF-8, with a final newline; RunError as write_atomically."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def require_folder(option: str, path: str) -> Path:
    """Return where an option's file goes; UserError where there is no such folder."""
    place = Path(path)
    if not place.absolute().parent.is_dir():
        raise UserError(f"{option} is '{path}', but there is no folder {place.parent}; make it first")
    return place


def require_json(output: str) -> Path:
    """Return where ``--output`` goes.

    Raises:
        UserError: its name does not end in .json, or there is no such folder.
    """
    if not output.endswith(".json"):
        raise UserError(f"--output is '{output}'; allowed are names that end in .json")
    return require_folder("--output", output)


class MetricsTable:
    """The rows of metrics.csv: appended as they come, cut back to a step when a run resumes.

    Args:
        path: of the file; an existing one is continued.
        up_to_step: rows after this step are dropped (they are about to be made again); None keeps no row.
    """

    def __init__(self, path: Path, up_to_step: int | None) -> None:
        self.path = path
        self.columns: list[str] = ["epoch", "step"]
        self.rows: list[dict[str, Any]] = []
        if up_to_step is not None and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    step = row.get("step") or ""
                    # A killed process can leave half a row, which has no last column.
                    if None not in row.values() and step.isdecimal() and int(step) <= up_to_step:
                        self.append(row, write=False)
            self._rewrite()

    def append(self, row: Mapping[str, Any], *, write: bool = True) -> None:
        """Add a row; a new column makes the file anew, else one line is added to it."""
        kept = {key: value for key, value in row.items() if value != ""}
        self.rows.append(kept)
        new = [key for key in kept if key not in self.columns]
        self.columns += new
        if not write:
            return
        if new or not self.path.is_file():
            self._rewrite()
            return
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerow(kept)
        except OSError as error:
            raise RunError(f"{self.path} cannot be written: {error.strerror}") from error

    def _rewrite(self) -> None:
        lines = [self.columns, *([row.get(column, "") for column in self.columns] for row in self.rows)]
        write_atomically(self.path, _csv(lines))


def _csv(lines: Iterable[Iterable[Any]]) -> str:
    import io

    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
