"""Files that appear under their name only when they are whole, and what is left of those whose process was killed."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from zoo.core.errors import RunError

try:
    import fcntl
    import resource
except ImportError:  # Windows: an open file cannot be removed there, and processes have no limits
    fcntl = resource = None  # type: ignore[assignment]

#: Of a full disk, a quota, a file-size limit and a folder that is read-only.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

#: Characters of a file's name in that of its temporary file: names have at most 255 bytes.
NAME_LENGTH = 40

#: Seconds in which a temporary file may be empty because its process has just made it, and does not hold it yet.
NEW = 2.0


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file beside ``path`` to write, and move it to ``path`` if nothing fails.

    It is on the disk before it is moved: at every moment the old content or the new one is there, whole. What earlier
    processes that were killed have left of files for this path is removed.

    Raises:
        OSError: the folder is read-only, the disk is full, ``path`` is a folder or a device ...; an old file is
            untouched and nothing else is left.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a folder, a device or a pipe")
    remove_leftovers(path.parent, path.name)
    name = _prefix(path.name)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=name, suffix=".part", delete=False) as temporary:
        hold(temporary.file)
        try:
            yield temporary.file
            publish(temporary.file, path)
        except BaseException as error:
            with suppress(OSError):  # of a full disk, where the rest cannot be written either
                temporary.file.close()
            Path(temporary.name).unlink(missing_ok=True)
            if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError):
                raise error.__context__ from None  # torch.save raises it in answer to a full disk
            raise


def publish(file: IO[bytes], path: Path) -> None:
    """Move an open file that is whole to ``path``, with the permissions of a new file; it is on the disk before.

    Raises:
        OSError: the disk is full ...
    """
    file.flush()
    os.fsync(file.fileno())
    os.chmod(file.name, 0o666 & ~_umask())  # temporary files are private, what a command leaves is not
    if fcntl is None:  # Windows moves no open file
        file.close()
    os.replace(file.name, path)


def remove_leftovers(folder: Path, *names: str) -> None:
    """Remove temporary files of files with these names, of all without names, whose process has ended.

    A process holds a lock on each of its temporary files as long as it lives; on a file system without locks they stay.
    """
    patterns = [re.compile(re.escape(_prefix(name)) + r"[a-z0-9_]{8}(\.part)?") for name in names]
    patterns = patterns or [re.compile(r"\..+-[a-z0-9_]{8}\.part")]
    with suppress(OSError):  # the folder cannot be read: whoever writes there says why
        entries = [entry.path for entry in os.scandir(folder) if any(p.fullmatch(entry.name) for p in patterns)]
        for entry in entries:
            with suppress(OSError):  # another process holds it, or removes it too
                _remove_ended(entry)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make a folder for temporary files, and remove it afterwards.

    Raises:
        RunError: there is no room for them, or no place for temporary files.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in NO_ROOM and "temporary directory" not in str(error):
            raise
        place = os.environ.get("TMPDIR") or "/tmp"
        raise RunError(
            f"the temporary folder {place} cannot be written: {error.strerror or error}; name another: TMPDIR=FOLDER"
        ) from error


def write_error(path: Path, error: OSError, remedy: str = "") -> RunError:
    """Return the error of a file that cannot be written: its path, the reason, a limit of the process, what to do."""
    reason = error.strerror or str(error)
    if error.errno == errno.EFBIG and resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        reason += "" if limit < 0 else f": a file of this process has at most {limit:,} bytes (ulimit -f)"
    return RunError(f"{path} cannot be written: {reason}{remedy}")


def _prefix(name: str) -> str:
    return f".{name[:NAME_LENGTH]}-"


def hold(file: IO[bytes]) -> bool:
    """Lock a temporary file for as long as it is open; return False where another process holds it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def _remove_ended(path: str) -> None:
    """Remove a temporary file, unless its process holds it; OSError where it does."""
    if fcntl is None:
        os.unlink(path)
        return
    with open(path, "rb") as file:
        facts = os.fstat(file.fileno())
        new = facts.st_size == 0 and time.time() - facts.st_mtime < NEW
        if stat.S_ISREG(facts.st_mode) and not new:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
