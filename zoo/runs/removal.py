"""Delete runs and groups of runs: nothing that is no run, and nothing through a link."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from zoo.core.errors import RunError, UserError
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run
from zoo.runs.groups import is_group
from zoo.runs.status import require_free

#: Files of a group that are no run's.
GROUP_FILES = ("group.json", "results.json")

#: A run has config.yaml and one of these.
MARKS = ("metrics.csv", "state.json", "checkpoints")


def require_removable(path: str) -> list[Run]:
    """Return the runs that deleting a path deletes: the run there, or those of a group.

    Raises:
        UserError: it is no run or holds something else, lies behind a link, or is being trained.
    """
    place = os.path.normpath(path)
    real = os.path.realpath(place)
    if real != os.path.normpath(os.path.join(os.path.realpath(os.curdir), place)):
        raise UserError(f"{path} leads through a link to {real}; to delete that run, name it itself")
    runs = _members(Path(real)) if is_group(real) else [Run.open(real)]
    for run in runs:
        _require_run(run)
        require_free(run)
    return runs


def _members(group: Path) -> list[Run]:
    """Return the runs of a group folder, which holds nothing else."""
    entries = [entry for entry in sorted(group.iterdir()) if entry.name not in GROUP_FILES]
    for entry in entries:
        if entry.is_symlink() or not Run(entry).config.is_file():
            raise UserError(f"{group} is no group of runs alone: it holds {entry.name}; name its runs one by one")
    return [Run(entry) for entry in entries]


def _require_run(run: Run) -> None:
    """Refuse, by a UserError, a folder in which a config.yaml lies but no training left anything else."""
    config = read_config(run.config)
    sections = all(isinstance(config.get(name), dict) for name in ("model", "data", "trainer"))
    if not sections or not any((run.path / mark).exists() for mark in MARKS):
        raise UserError(f"{run.path} is no run: it needs config.yaml of a training and one of {', '.join(MARKS)}")
    if (repository := next((path for path in run.path.rglob(".git")), None)) is not None:
        raise UserError(f"{run.path} holds a repository, {repository}, so it is more than a run; delete it yourself")


def remove(path: str, runs: Sequence[Run]) -> None:
    """Delete a run or a group that ``require_removable`` allows.

    config.yaml goes last: where deleting is interrupted, the rest is still a run and can be deleted again.

    Raises:
        RunError: a file cannot be deleted.
    """
    folder = Path(os.path.realpath(path))
    try:
        for run in runs:
            for entry in sorted(run.path.iterdir(), key=lambda entry: (entry.name in MARKS, entry.name)):
                if entry.name != run.config.name:
                    _delete(entry)
            run.config.unlink()
            run.path.rmdir()
        if folder != runs[0].path:
            for name in GROUP_FILES:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
    except OSError as error:
        raise RunError(f"{error.filename or folder} cannot be deleted: {error.strerror}") from error


def _delete(entry: Path) -> None:
    """Delete a file, a link itself, or a folder; in folders links are deleted, not what they lead to."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
