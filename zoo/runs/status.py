"""The state of a run's last training, by state.json and a lock: running, finished, failed or interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

from filelock import FileLock, Timeout

from zoo.core.errors import ImageError, RunError, UserError
from zoo.core.locks import holder, is_alive
from zoo.runs.files import write_atomically, write_json
from zoo.runs.folder import Run
from zoo.runs.records import read_record

#: state.json says ``training`` while it lasts and after it was stopped: a process that is killed writes nothing else.
State = Literal["finished", "failed", "running", "interrupted", ""]

#: Seconds that a training waits for the lock: another process that only looks holds it for a moment.
PATIENCE = 1.0

#: Seconds that it waits where the process has ended: those that read images for it end when they notice.
ENDING = 15.0


@contextmanager
def held(run: Run) -> Iterator[None]:
    """Keep other processes from training the run, and remove what killed ones have left in it.

    The lock of a process that was killed ends with it, or a few seconds later with the processes that read its images.

    Raises:
        UserError: another process trains it.
    """
    lock = FileLock(run.lock, timeout=PATIENCE)
    try:
        try:
            lock.acquire()
        except Timeout:
            if is_alive(run.lock):
                raise
            lock.acquire(timeout=ENDING)
    except Timeout as error:
        raise _busy(run) from error
    except (OSError, NotImplementedError):  # a file system without locks: nothing keeps others out
        pass
    try:
        run.remove_leftovers()
        yield
    finally:
        lock.release()


@contextmanager
def training(run: Run, device: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Record the state of a run that this process holds: training, then finished or failed.

    A run that refuses to train on, by a UserError, has its state from before.

    Args:
        run: the run.
        device: what trains it: its type as device, the number as devices, and precision.

    Raises:
        RunError: state.json cannot be written.
    """
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"begun": begun} | dict(device or {})
    before = run.state.read_bytes() if run.state.is_file() else None
    try:
        write_json(run.state, {"state": "training"} | facts)
        yield
        write_json(run.state, {"state": "finished"} | facts)
    except Exception as error:
        refused = isinstance(error, UserError) and not isinstance(error, ImageError)
        with suppress(RunError):  # of a full disk, or a folder that was removed: the first error counts
            if refused and before is not None:
                write_atomically(run.state, before)
            else:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                write_json(run.state, {"state": "failed"} | facts | {"error": reason})
        raise


def require_free(run: Run) -> None:
    """Refuse, by a UserError, a run that another process trains."""
    if _held(run) == "running":
        raise _busy(run)


def state(run: Run) -> tuple[State, str]:
    """Return the state of a run's last training, and when it began, in ISO 8601; both are empty without state.json.

    Raises:
        OSError: state.json cannot be read.
        UserError: it is damaged.
    """
    content = read_record(run.state)
    if not content:
        return "", ""
    if content.get("state") in ("finished", "failed"):
        return content["state"], content["begun"]
    return _held(run), content["begun"]


def trained_on(run: Run) -> str | None:
    """Return what did a run's last training, such as ``2xcuda/bf16-mixed``; None where state.json does not say."""
    facts = read_record(run.state)
    if not {"device", "devices", "precision"} <= facts.keys():
        return None
    count = "" if facts["devices"] == 1 else f"{facts['devices']}x"
    return f"{count}{facts['device']}/{facts['precision']}"


def _held(run: Run) -> State:
    """Tell a run that another process trains, and has locked, from one that was stopped."""
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
    return UserError(f"{holder(run.lock)} trains run {run.path}; wait for it, or stop it, then resume")
