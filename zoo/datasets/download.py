"""Files come into the data root whole and verified, or not at all."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import DownloadError

#: Seconds without a byte after which a server counts as gone.
TIMEOUT = 30


@dataclass(frozen=True)
class RemoteFile:
    """A file its publisher offers.

    Args:
        urls: addresses to try in order.
        md5: the publisher's MD5 of the whole file, as 32 hexadecimal digits.
        size: what the file weighs, for people: ``"170 MB"``.
    """

    urls: Sequence[str]
    md5: str
    size: str


def fetch(remote: RemoteFile, target: Path) -> Path:
    """Make sure that ``target`` exists, downloading it if it does not; a file already there is used as it is.

    The download is written beside the target, its MD5 is checked, and only then is it moved into place: an
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
    from torchvision.datasets.utils import download_url

    problems = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
            for url in remote.urls:
                print(f"downloading {url} ({remote.size}) to {target}", file=sys.stderr)
                try:
                    with _time_limit():
                        download_url(url, folder, target.name, remote.md5)
                except RuntimeError:
                    problems.append(f"{url}: the file does not match its MD5 {remote.md5}")
                except (OSError, ValueError) as error:
                    problems.append(f"{url}: {error}")
                else:
                    os.replace(Path(folder, target.name), target)
                    return target
    except OSError as error:
        problems.append(f"{target.parent} cannot be written: {error}")
    raise DownloadError(
        f"{target} is not there and could not be downloaded ({'; '.join(problems)}); fetch {remote.urls[0]} "
        f"({remote.size}) on a machine with a network and put it at {target}"
    )


@contextmanager
def _time_limit() -> Iterator[None]:
    """Bound how long a socket may stay silent: torchvision's downloader sets no limit itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
