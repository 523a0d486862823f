"""The image in a request's body, of which no more is read than is allowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import HTTPException, Request
from starlette.formparsers import MultiPartException, MultiPartParser

FIELD = "image"
HOW = (
    f"send multipart/form-data with a file in the field '{FIELD}' (curl -F {FIELD}=@photo.jpg), or the file as the body"
)


async def image_of(request: Request, max_bytes: int) -> bytes:
    """Return the content of the image file that a request uploads.

    Args:
        request: multipart with the file in its field ``image``, or the file itself as the body.
        max_bytes: of the whole body.

    Raises:
        HTTPException: 400 there is no image in it, 413 it is too large, 415 it is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data" and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise HTTPException(415, f"the body is {kind or 'of no stated type'}; {HOW} with its type, such as image/jpeg")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes, f"{int(announced):,} bytes")
    body = _limited(request, max_bytes)
    if kind == "multipart/form-data":
        content = await _field(request, body, max_bytes)
    else:
        content = b"".join([chunk async for chunk in body])
    if not content:
        raise HTTPException(400, f"the image is empty (0 bytes); {HOW}")
    return content


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body, and stop where it is longer than allowed, whatever its header says."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes, "larger")
        yield chunk


async def _field(request: Request, body: AsyncGenerator[bytes, None], max_bytes: int) -> bytes:
    parser = MultiPartParser(request.headers, body, max_files=8, max_fields=8)
    parser.spool_max_size = max_bytes + 1  # in memory: it is bounded, and a disk may be full
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the body is not valid multipart/form-data: {error.message}; {HOW}") from error
    try:
        image = form.get(FIELD)
        if image is None:
            found = ", ".join(f"'{name}'" for name in form) or "none"
            raise HTTPException(400, f"there is no field '{FIELD}' (found: {found[:200]}); {HOW}")
        if isinstance(image, str):
            raise HTTPException(400, f"the field '{FIELD}' is a text, not a file; {HOW}")
        return await image.read()
    finally:
        await form.close()


def _too_large(max_bytes: int, size: str) -> HTTPException:
    return HTTPException(413, f"the body is {size}; allowed are {max_bytes:,} bytes (the server's --max_mb)")
