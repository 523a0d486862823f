"""Whether a run is being trained, came to its end or was stopped: state.json and a lock; read without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from filelock import FileLock, Timeout

from zoo.core.errors import UserError
from zoo.runs.files import write_json
from zoo.runs.folder import Run

#: ``training`` while it lasts and after it was stopped: nothing else is written by a process that is killed.
State = Literal["finished", "running", "interrupted", ""]

#: Seconds that a training waits for the lock: another process that only looks holds it for a moment.
PATIENCE = 1.0


@contextmanager
def training(run: Run) -> Iterator[None]:
    """Keep other processes from training the run, and record that it is trained, and whether that came to its end.

    Raises:
        UserError: another process trains it.
        RunError: state.json cannot be written.
    """
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    lock = FileLock(run.lock, timeout=PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise _busy(run) from error
    except (OSError, NotImplementedError):  # a file system without locks: it keeps nobody out
        pass
    try:
        write_json(run.state, {"state": "training", "begun": begun})
        yield
        write_json(run.state, {"state": "finished", "begun": begun})
    finally:
        lock.release()


def require_free(run: Run) -> None:
    """Refuse, by a UserError, a run that another process trains."""
    if _held(run) == "running":
        raise _busy(run)


def state(run: Run) -> tuple[State, str]:
    """Return what became of a run's last training, and when it began, in ISO 8601; both are empty where no one knows.

    Raises:
        OSError: state.json cannot be read.
        ValueError: it is damaged.
    """
    if not run.state.is_file():
        return "", ""
    content = json.loads(run.state.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not isinstance(content.get("begun"), str):
        raise ValueError("state.json says nothing of a training")
    if content.get("state") == "finished":
        return "finished", content["begun"]
    return _held(run), content["begun"]


def _held(run: Run) -> State:
    """Tell a run that another process trains, and so has locked, from one that was stopped."""
    lock = FileLock(run.lock, timeout=0)
    if not run.lock.exists():
        return "interrupted"
    try:
        with lock:
            return "interrupted"
    except Timeout:
        return "running"
    except (OSError, NotImplementedError):  # a folder that only others may write in, a file system without locks
        return ""


def _busy(run: Run) -> UserError:
    return UserError(f"another process trains run {run.path}; wait for it, or stop it, then resume")
