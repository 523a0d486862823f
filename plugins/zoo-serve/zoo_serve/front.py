"""What surrounds the application: requests are counted, and a refusal is heard by those who still send."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_serve.metrics import Metrics

#: Seconds for which the rest of a refused body is read and thrown away, and bytes.
LINGER_S = 5.0
LINGER_BYTES = 200_000_000


class Front:
    """An ASGI application around another.

    A server that closes the connection while the client is still sending makes the client's system throw away the
    answer. So where an answer is complete before the request is, the rest is read for a while, and kept nowhere.

    Args:
        app: the application.
        metrics: told of every request to ``/predict``.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

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
            try:
                async with asyncio.timeout(LINGER_S):
                    while not complete and left > 0:
                        left -= len((await receiving()).get("body", b""))
            except TimeoutError:
                return  # it goes on sending, and is cut off

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope["path"], message["status"], time.perf_counter() - begin)
                if not complete:
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            elif not complete and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await drain()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, receiving, sending)

    def _count(self, path: str, status: int, seconds: float) -> None:
        if path == "/predict":
            self._metrics.requests.labels(str(status)).inc()
            self._metrics.seconds.observe(seconds)
