"""Downloads of pinned files: complete and verified, or an error and no file."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import IO
from urllib.request import Request, urlopen

from zoo.core.errors import DownloadError
from zoo.core.locks import one_at_a_time
from zoo.core.whole_file import publish

#: Seconds without a byte after which a download fails; its average speed is checked as often.
TIMEOUT = 30

#: Bytes a second below which a download fails.
SLOWEST = 1_000


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Args:
        urls: addresses to try in order.
        checksum: of the whole file: ``md5:`` or ``sha256:`` and its hexadecimal digits, or the first of them.
        size: shown to people: ``"170 MB"``; may be empty.
    """

    urls: Sequence[str]
    checksum: str
    size: str = ""

    def matches(self, path: Path) -> bool:
        """Tell whether a file has this checksum."""
        algorithm, _, digits = self.checksum.partition(":")
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest().startswith(digits)


def fetch(remote: RemoteFile, target: Path) -> Path:
    """Download a file, unless ``target`` exists, which is used as it is.

    The download goes to a file beside the target, which is moved into place once its checksum is verified. A download
    that was killed leaves that file; the next one overwrites it. Of two processes one downloads and the other waits.

    Args:
        remote: where the file comes from.
        target: where it belongs.

    Returns:
        ``target``.

    Raises:
        DownloadError: no address delivered a file with the checksum in time, or the folder cannot be written.
    """
    if target.exists():
        return target
    problems = []
    size = f" ({remote.size})" if remote.size else ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_process(target) as part:
            if target.exists():  # downloaded by the process that was waited for
                return target
            for url in remote.urls:
                print(f"downloading {url}{size} to {target}", file=sys.stderr)
                try:
                    _download(url, part)
                except (OSError, ValueError, HTTPException) as error:
                    problems.append(f"{url}: {error}")
                    continue
                if remote.matches(part):
                    with part.open("rb") as file:
                        publish(file, target)
                    return target
                problems.append(f"{url}: the file does not match its checksum {remote.checksum}")
    except OSError as error:
        problems.append(f"{target.parent} cannot be written: {error}")
    raise DownloadError(
        f"{target} is not there and could not be downloaded ({'; '.join(problems)}); fetch {remote.urls[0]}{size} "
        f"on a machine with a network and put it at {target}"
    )


@contextmanager
def one_process(target: Path) -> Iterator[Path]:
    """Let one process at a time make ``target``; yield the path it makes it at, which is removed afterwards.

    Raises:
        OSError: the folder cannot be written.
    """
    part, lock_file = (target.with_name(f".{target.name}.{suffix}") for suffix in ("part", "lock"))
    with one_at_a_time(lock_file, f"makes {target}"):
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
            lock_file.unlink(missing_ok=True)


@dataclass
class _Transfer:
    """What the thread that downloads tells the one that waits, and the other way round."""

    received: int = 0
    given_up: bool = False
    error: Exception | None = None


def _download(url: str, path: Path) -> None:
    """Write what an address returns to a file.

    A thread receives it: a server may send a byte now and then before the content begins, where no time-out counts.

    Raises:
        OSError: the server does not answer, is silent for TIMEOUT seconds, slower than SLOWEST, or ends too early.
    """
    transfer, checked = _Transfer(), 0
    path.unlink(missing_ok=True)  # a thread that was given up may still hold it
    thread = Thread(target=_receive, args=(url, path.open("wb"), transfer), daemon=True)
    thread.start()
    try:
        while True:
            thread.join(TIMEOUT)
            if not thread.is_alive():
                break
            if transfer.received - checked < SLOWEST * TIMEOUT:
                slow = f"slower than {SLOWEST:,} bytes a second"
                raise OSError(slow if transfer.received else f"timed out: nothing came in {TIMEOUT} seconds")
            checked = transfer.received
    finally:
        transfer.given_up = True
    if transfer.error is not None:
        raise transfer.error


def _receive(url: str, file: IO[bytes], transfer: _Transfer) -> None:
    """Write the content to a file, until the other thread has given up."""
    try:
        request = Request(url, headers={"User-Agent": "zoo-classifiers"})
        with file, urlopen(request, timeout=TIMEOUT) as response:
            total = int(response.headers.get("Content-Length") or 0)
            while not transfer.given_up and (chunk := response.read1(2**20)):
                file.write(chunk)
                transfer.received += len(chunk)
                if sys.stderr.isatty():
                    of_total = f" of {total / 1e6:,.1f}" if total else ""
                    print(f"\r{transfer.received / 1e6:,.1f}{of_total} MB", end="", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if total and transfer.received != total:
            raise OSError(f"it ended after {transfer.received:,} of {total:,} bytes")
    except (OSError, ValueError, HTTPException) as error:
        transfer.error = error
