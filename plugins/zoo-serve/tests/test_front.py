"""Refused bodies are read for a while, and cost others little."""

from __future__ import annotations

import asyncio

from zoo_serve import front
from zoo_serve.metrics import Metrics

PIECE = 65_536


async def refuse(scope, receive, send):
    await send({"type": "http.response.start", "status": 413, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def read_of(clients, monkeypatch):
    """Return the bytes that are read of so many refused clients, who send without end."""
    monkeypatch.setattr(front, "LINGER_S", 0.3)
    around, read = front.Front(refuse, Metrics(lambda: 0, lambda: 0)), 0
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"content-length", b"1000000000")]}

    async def receive():
        nonlocal read
        await asyncio.sleep(0)
        read += PIECE
        return {"type": "http.request", "body": bytes(PIECE), "more_body": True}

    async def send(message):
        pass

    async def all_of_them():
        await asyncio.gather(*(around(dict(scope), receive, send) for _ in range(clients)))

    asyncio.run(all_of_them())
    return read


def test_one_refused_body_is_read_as_fast_as_it_comes(monkeypatch):
    assert read_of(1, monkeypatch) > 2 * front.LINGER_RATE * 0.3


def test_many_are_read_slowly_together(monkeypatch):
    assert read_of(20, monkeypatch) < 2 * front.LINGER_RATE * 0.3 + 20 * PIECE
