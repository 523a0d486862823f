"""Locks between processes: one at a time, and who holds a lock, for messages of those who wait or give up."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def one_at_a_time(lock_file: Path, what: str) -> Iterator[None]:
    """Let one process at a time do something; others wait and say for whom.

    Args:
        lock_file: is made; a process that ends, or is killed, holds it no longer.
        what: for the message, such as ``makes data.tar``.

    Raises:
        OSError: the folder cannot be written.
    """
    lock = FileLock(lock_file)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for {holder(lock_file)}, which {what}", file=sys.stderr)
            lock.acquire()
    except NotImplementedError:
        pass  # the file system has no locks: two processes at once spoil each other's file, whose checksum then differs
    try:
        yield
    finally:
        lock.release()


def holder(lock: Path) -> str:
    """Return ``process 1234``, which holds a lock on a file, or ``another process`` where the system does not say."""
    number = _process(lock)
    return "another process" if number is None else f"process {number}"


def is_alive(lock: Path) -> bool:
    """Tell whether the process that took a lock lives; True where the system does not say which one it is."""
    number = _process(lock)
    if number is not None:
        with suppress(PermissionError):  # it is another user's
            try:
                os.kill(number, 0)
            except ProcessLookupError:
                return False
    return True


def _process(lock: Path) -> int | None:
    """Return the number of the process that holds a lock, as Linux lists it.

    Processes of another machine or container that share the file are not listed.
    """
    with suppress(OSError):
        file = os.stat(lock)
        device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        for line in Path("/proc/locks").read_text().splitlines():
            # "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; one that waits has "->" behind the number
            match line.split():
                case [_, "FLOCK" | "POSIX", _, "WRITE", process, held, *_] if held == device and int(process) > 0:
                    return int(process)
    return None
