"""The images in a request's body, of which no more is read than is allowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request
from starlette.formparsers import MultiPartException, MultiPartParser

FIELD = "image"

#: Files in one request at most.
MAX_FILES = 64

HOW = (
    f"send multipart/form-data with a file in the field '{FIELD}' (curl -F {FIELD}=@photo.jpg), or the file as the body"
)

HOW_MANY = (
    f"send multipart/form-data with up to {MAX_FILES} files in the field '{FIELD}' (curl -F {FIELD}=@a.jpg -F "
    f"{FIELD}=@b.jpg)"
)


class Bodies:
    """How many bytes of bodies are in memory, all requests together.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextmanager
    def account(self) -> Iterator[Account]:
        """Give what counts the bytes of one request, which are free when the block ends."""
        account = Account(self)
        try:
            yield account
        finally:
            self.held -= account.size


class Account:
    """The bytes of one request."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self.size = bodies, 0

    def add(self, size: int) -> None:
        """Count bytes that have arrived; HTTPException 503 where all requests together have too many."""
        self.size += size
        self._bodies.held += size
        if self._bodies.held > self._bodies.most:
            text = f"{self._bodies.most:,} bytes are being received, as many as the server takes at once; try again"
            raise HTTPException(503, text, {"retry-after": "1"})


async def image_of(request: Request, max_bytes: int, account: Account) -> bytes:
    """Return the content of the image file that a request uploads.

    Args:
        request: multipart with the file in its field ``image``, or the file itself as the body.
        max_bytes: of the whole body.
        account: counts what arrives.

    Raises:
        HTTPException: 400 there is no image in it, 413 it is too large, 415 it is something else, 503 there is no room.
    """
    kind = _kind(request)
    if kind != "multipart/form-data" and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise HTTPException(415, f"the body is {kind or 'of no stated type'}; {HOW} with its type, such as image/jpeg")
    body = _limited(request, max_bytes, account)
    if kind == "multipart/form-data":
        content = (await _fields(request, body, max_bytes, HOW))[-1]
    else:
        content = b"".join([chunk async for chunk in body])
    if not content:
        raise HTTPException(400, f"the image is empty (0 bytes); {HOW}")
    return content


async def images_of(request: Request, max_bytes: int, account: Account) -> list[bytes]:
    """Return the contents of the image files that a request uploads, in order; an empty one is empty.

    Args:
        request: multipart with the files in its field ``image``.
        max_bytes: of the whole body.
        account: counts what arrives.

    Raises:
        HTTPException: as ``image_of``.
    """
    if (kind := _kind(request)) != "multipart/form-data":
        raise HTTPException(415, f"the body is {kind or 'of no stated type'}; {HOW_MANY}")
    return await _fields(request, _limited(request, max_bytes, account), max_bytes, HOW_MANY)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _limited(request: Request, max_bytes: int, account: Account) -> AsyncGenerator[bytes, None]:
    """Yield the body, and stop where it is longer than allowed, whatever its header says."""
    announced, size = request.headers.get("content-length", "0"), 0
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes, f"{int(announced):,} bytes")
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes, "larger")
        account.add(len(chunk))
        yield chunk


async def _fields(request: Request, body: AsyncGenerator[bytes, None], max_bytes: int, how: str) -> list[bytes]:
    """Return the files in the field of images, one or more."""
    parser = MultiPartParser(request.headers, body, max_files=MAX_FILES, max_fields=8)
    parser.spool_max_size = max_bytes + 1  # in memory: it is bounded, and a disk may be full
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the body is not valid multipart/form-data: {error.message}; {how}") from error
    try:
        images = form.getlist(FIELD)
        if not images:
            fields = ", ".join(f"'{name}'" for name in form) or "none"
            raise HTTPException(400, f"there is no field '{FIELD}' (found: {fields[:200]}); {how}")
        if any(isinstance(image, str) for image in images):
            raise HTTPException(400, f"the field '{FIELD}' is a text, not a file; {how}")
        return [await image.read() for image in images if not isinstance(image, str)]
    finally:
        await form.close()


def _too_large(max_bytes: int, size: str) -> HTTPException:
    return HTTPException(413, f"the body is {size}; allowed are {max_bytes:,} bytes (the server's --max_mb)")
