"""What surrounds the application: requests are counted and logged, a refusal is heard by those who still send, HEAD."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_serve.metrics import Metrics

#: Seconds for which the rest of a refused body is read and thrown away, and bytes.
LINGER_S = 5.0
LINGER_BYTES = 200_000_000

#: Bytes a second that are read of several together; one alone comes at the network's speed, at which many would slow
#: down all other requests.
LINGER_RATE = 10_000_000


class Log:
    """A line for each request: time, client, request, status, milliseconds.

    Args:
        path: of the file, which is continued; ``-`` is stdout.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._file: TextIO = sys.stdout if path == "-" else open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115

    def add(self, scope: Scope, status: int, seconds: float) -> None:
        """Write a line; a full disk stops no request."""
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        client = (scope.get("client") or ("-",))[0]
        # The raw bytes of the address have no line break in them, which the decoded ones may.
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = (scope.get("raw_path") or scope["path"].encode()).split(b"?")[0] + query
        request = f"{scope['method']} {target.decode('ascii', 'backslashreplace')}"
        with suppress(OSError):
            print(f'{when} {client} "{request}" {status} {1000 * seconds:.1f} ms', file=self._file, flush=True)


class Front:
    """An ASGI application around another.

    A server that closes the connection while the client is still sending makes the client's system throw away the
    answer. So where an answer is complete before the request is, the rest is read for a while, and kept nowhere.

    HEAD is answered as GET, whose body the server leaves out.

    Args:
        app: the application.
        metrics: told of every request for predictions.
        log: gets a line for each request.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, log: Log | None = None) -> None:
        self._app, self._metrics, self._log, self._lingering = app, metrics, log, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        headers = Headers(scope=scope)
        complete = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers

        async def receiving() -> Message:
            nonlocal complete
            message = await receive()
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def drain() -> None:
            left = LINGER_BYTES
            self._lingering += 1
            try:
                async with asyncio.timeout(LINGER_S):
                    while not complete and left > 0:
                        size = len((await receiving()).get("body", b""))
                        left -= size
                        await asyncio.sleep((self._lingering - 1) * size / LINGER_RATE)
            except TimeoutError:
                return  # it goes on sending, and is cut off
            finally:
                self._lingering -= 1

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], time.perf_counter() - begin)
                if not complete:
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            elif not complete and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await drain()
                message = {"type": "http.response.body"}
            await send(message)

        as_get = {"method": "GET"} if scope["method"] == "HEAD" else {}
        await self._app({**scope, **as_get}, receiving, sending)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        if self._log is not None:
            self._log.add(scope, status, seconds)
        if scope["method"] == "POST" and scope["path"].endswith(("/predict", "/predict/batch")):
            self._metrics.requests.labels(str(status)).inc()
            self._metrics.seconds.observe(seconds)
