"""Pictures at http and https addresses, within limits of size and time."""

from __future__ import annotations

import time

from zoo.core.errors import ImageError

#: Most bytes of a picture.
MAX_BYTES = 50_000_000

#: Seconds without a byte after which a server is given up, and seconds that a whole picture may take.
SILENCE, DEADLINE = 10.0, 60.0

#: Characters of an address that stay as they are; others, such as spaces and umlauts, are escaped.
SAFE = "%/:=&?~#+!$,;'@()*[]"


def is_address(name: str) -> bool:
    """Tell whether a name is an http or https address."""
    return name.lower().startswith(("http://", "https://"))


def read_address(address: str) -> bytes:
    """Return the bytes at an address.

    Raises:
        ImageError: the server does not deliver at most MAX_BYTES within DEADLINE; the message starts with the address.
    """
    from http.client import HTTPException  # here, for files on disk need none of them
    from urllib.error import HTTPError, URLError
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    end = time.monotonic() + DEADLINE
    parts, received = [], 0
    try:
        request = Request(quote(address, safe=SAFE), headers={"User-Agent": "zoo-classifiers"})
        with urlopen(request, timeout=SILENCE) as response:
            while part := response.read1(2**16):
                parts.append(part)
                received += len(part)
                if received > MAX_BYTES:
                    raise ImageError(f"{address}: more than {MAX_BYTES:,} bytes")
                if time.monotonic() > end:
                    raise ImageError(f"{address}: not complete after {DEADLINE:g} s")
            expected = response.headers.get("Content-Length")
    except HTTPError as error:
        raise ImageError(f"{address}: the server answers {error.code} {error.reason}") from error
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise ImageError(f"{address}: cannot be loaded: {reason or type(error).__name__}") from error
    if expected is not None and received != int(expected):
        raise ImageError(f"{address}: ended after {received:,} of {expected} bytes")
    return b"".join(parts)
