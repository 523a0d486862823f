"""Files come from their publishers whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from zoo.core.errors import DownloadError

#: Seconds without a byte after which a server counts as gone.
TIMEOUT = 30


@dataclass(frozen=True)
class RemoteFile:
    """A file its publisher offers.

    Args:
        urls: addresses to try in order.
        checksum: of the whole file: ``md5:`` or ``sha256:`` and the first hexadecimal digits, all where known.
        size: what the file weighs, for people: ``"170 MB"``; empty where nobody says.
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
    """Make sure that ``target`` exists, downloading it if it does not; a file already there is used as it is.

    The download is written beside the target, its checksum is compared, and only then is it moved into place: an
    interrupted or concurrent download leaves nothing that a later run would open.

    Args:
        remote: where the file comes from.
        target: where it belongs.

    Returns:
        ``target``.

    Raises:
        DownloadError: no address delivered the file with its checksum, or the folder cannot be written.
    """
    if target.exists():
        return target
    from torch.hub import download_url_to_file

    problems = []
    size = f" ({remote.size})" if remote.size else ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
            part = Path(folder, target.name)
            for url in remote.urls:
                print(f"downloading {url}{size} to {target}", file=sys.stderr)
                try:
                    with _time_limit():
                        download_url_to_file(url, str(part), progress=sys.stderr.isatty())
                except (OSError, ValueError, HTTPException) as error:
                    problems.append(f"{url}: {error}")
                    continue
                if remote.matches(part):
                    os.replace(part, target)
                    return target
                problems.append(f"{url}: the file does not match its checksum {remote.checksum}")
    except OSError as error:
        problems.append(f"{target.parent} cannot be written: {error}")
    raise DownloadError(
        f"{target} is not there and could not be downloaded ({'; '.join(problems)}); fetch {remote.urls[0]}{size} "
        f"on a machine with a network and put it at {target}"
    )


@contextmanager
def _time_limit() -> Iterator[None]:
    """Bound how long a socket may stay silent: the downloader sets no limit itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
