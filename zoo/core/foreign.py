"""Runs code that is not zoo's, such as the import of a plugin: what it raises names it, what it prints is dropped."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator

from zoo.core.console import print_stderr
from zoo.core.errors import Stopped, UserError, ZooError, brief, is_out_of_memory

#: Seconds after which a line says whose import goes on.
SLOW_SECONDS = 20

#: Errors of the operating system that are about the machine, not about the code that meets them.
OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE, errno.EIO)


def is_from_outside(error: BaseException) -> bool:
    """Tell an error whose reason is zoo, the user or the machine from one that belongs to the code that raises it."""
    if isinstance(error, ZooError) or is_users_stop(error) or is_out_of_memory(error):
        return True
    if isinstance(error, OSError):
        return error.errno in OF_THE_MACHINE
    return hasattr(error, "exit_status")  # of a command, which says itself what is wrong


def is_users_stop(error: BaseException) -> bool:
    """Tell a signal, by which the user ends the command or a training, from what foreign code raises.

    KeyboardInterrupt is the user's only where Python itself turns Ctrl-C into it: the command line handles the signal,
    and workers ignore it.
    """
    if isinstance(error, KeyboardInterrupt):
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, Stopped) or (not isinstance(error, Exception) and hasattr(error, "exit_status"))


@contextlib.contextmanager
def errors_of(title: str, fails: str = "raises", remedy: str = "") -> Iterator[None]:
    """Name the part, and its distribution, whose code raises an error that zoo would not know the origin of.

    Args:
        title: as ``Entry.title`` gives it.
        fails: what stands between the title and the error.
        remedy: what the user can do, with the semicolon before it.

    Raises:
        UserError: in place of what the code raises, SystemExit and KeyboardInterrupt too; errors of zoo's, of full
            memory and of full disks stay.
    """
    try:
        yield
    except BaseException as error:
        if is_from_outside(error):
            raise
        raise UserError(f"{title} {fails} {brief(error)}{remedy}") from error


@contextlib.contextmanager
def importing(title: str, remedy: str = "") -> Iterator[None]:
    """Contain an import of foreign code: name it where it fails, say that it goes on, drop what it prints.

    Args:
        title: as ``Entry.title`` gives it.
        remedy: what the user can do, with the semicolon before it.

    Raises:
        UserError: in place of what the import raises, as ``errors_of``.
    """
    notice = threading.Timer(SLOW_SECONDS, print_stderr, [f"waiting for the import of {title}; Ctrl-C ends it"])
    notice.daemon = True
    notice.start()
    try:
        with (
            errors_of(title, "cannot be imported:", remedy),
            _own_streams(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            yield
    finally:
        notice.cancel()


@contextlib.contextmanager
def _own_streams() -> Iterator[None]:
    """Drop what is written to descriptor 1 by its number; open standard output and error again if they are closed."""
    descriptors: dict[int, int] = {}
    for number in (1, 2):
        with contextlib.suppress(OSError):  # the caller has closed it
            descriptors[number] = os.dup(number)
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    if 1 in descriptors:
        _flush(sys.stdout)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        for number, copy in descriptors.items():
            os.dup2(copy, number)
            os.close(copy)
        for number, (name, stream) in enumerate(streams.items(), start=1):
            if stream is not None and stream.closed:
                is_open = number in descriptors
                file: int | str = number if is_open else os.devnull
                stream = open(file, "w", closefd=not is_open)  # noqa: SIM115  # for the rest of the process
            setattr(sys, name, stream)


def _flush(stream: object) -> None:
    with contextlib.suppress(AttributeError, ValueError, OSError):  # no stream, or a closed one
        stream.flush()  # type: ignore[attr-defined]
