"""A job of SLURM that ends before its training does: it is put back into the queue, by scontrol."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from zoo.core.console import is_first_process, print_stderr

#: Seconds that scontrol may take.
PATIENCE = 30


def can_requeue(environ: Mapping[str, str]) -> bool:
    """Tell whether this process belongs to a job of SLURM, by its variables."""
    return "SLURM_JOB_ID" in environ


def requeue(environ: Mapping[str, str], resume: str, *, by_name: bool) -> None:
    """Put the job back into the queue; SLURM then starts its script again.

    Args:
        environ: variables of this process.
        resume: the command that goes on with the run, for the case that nothing else does.
        by_name: whether the command names its run, which it then goes on with.
    """
    if not by_name:
        print_stderr(f"the job is not put back into the queue: it would start a new run; add --run NAME. Now: {resume}")
        return
    job = environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in environ:
        job = f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    try:
        done = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print_stderr(f"job {job} could not be put back into the queue: {error}; {resume}")
        return
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"status {done.returncode}"
        print_stderr(f"job {job} could not be put back into the queue: scontrol: {reason}; {resume}")
    else:
        print_stderr(f"job {job} is back in the queue")


@contextmanager
def requeued_before_training(environ: Mapping[str, str], *, by_name: bool) -> Iterator[None]:
    """Let SIGUSR1 put the job back into the queue while nothing is trained: torch alone would end the process.

    Args:
        environ: variables of this process.
        by_name: as in ``requeue``.

    Raises:
        SystemExit: the signal came.
    """
    if not can_requeue(environ) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(signum: int, frame: Any) -> None:
        if is_first_process():
            requeue(environ, "nothing was trained", by_name=by_name)
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGUSR1, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
