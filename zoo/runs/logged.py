"""What a logger gets to know of a run, and the record of what trackers call it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo.runs.files import write_json
from zoo.runs.folder import Run
from zoo.runs.records import read_record


@dataclass(frozen=True)
class LoggedRun:
    """A run as a logger of the group ``zoo.loggers`` gets it.

    Args:
        path: the run folder, absolute; a logger that writes files writes them here.
        done_steps: optimizer steps that a resumed run has done; 0 in a new run.
        tracker_id: what the tracker called the run (``logger.version``) before it was resumed; empty in a new run.
    """

    path: Path
    done_steps: int = 0
    tracker_id: str = ""

    @property
    def experiment(self) -> str:
        """What runs of the same data set and network have in common: the name of the folder around the run's."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """The run folder's own name."""
        return self.path.name


def tracker_ids(run: Run) -> dict[str, str]:
    """Return what each tracker calls the run, by the logger's name; empty where none has recorded it."""
    return read_record(run.trackers)


def record_tracker_ids(run: Run, ids: dict[str, str]) -> None:
    """Add to the record, so that a resumed run goes on in the trackers' same runs; RunError where it cannot."""
    if ids:
        write_json(run.trackers, tracker_ids(run) | ids)
