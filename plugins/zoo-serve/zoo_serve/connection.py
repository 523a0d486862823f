"""One connection: heads that do not come are given up, large ones refused, and half-closed connections answered."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from zoo_serve.fairness import Crowd, address_of

#: Bytes of a request's line and headers at most; more get 431.
MAX_HEAD = 32_768

#: Seconds for which what a refused client still sends is thrown away.
LINGER_S = 2.0

#: Seconds after which a half-closed connection is probed, which a network's way there and back may take.
PROBES_S = (0.0, 0.01, 0.1, 0.5, 2.0, 5.0, 10.0)

#: What h11's hints mean; others are 400.
REASONS = {431: f"the headers are larger than {MAX_HEAD:,} bytes", 501: "this transfer encoding is not supported"}


class Connection(H11Protocol):
    """uvicorn's connection, with what it leaves open.

    - Headers must arrive within ``head_timeout_s``; else 408.
    - An error of the protocol is JSON, as every other one; headers that are too large are 431.
    - A client may close its half of the connection once its request is sent, and is answered. One that left altogether
      looks the same: interim answers "100 Continue", which every client skips, make the system of such a one refuse
      them, and then its request is dropped.
    - Connections that have not sent a whole request, and idle ones, are counted: too many end the oldest of the
      address that has most.
    """

    #: Set by ``connection_class``.
    head_timeout_s = 10.0
    incomplete: Crowd[Connection]
    idle: Crowd[Connection]
    _head: asyncio.TimerHandle | None = None
    _answered: Any = None
    _refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the headers."""
        super().connection_made(transport)  # type: ignore[arg-type]  # a stream's
        self._expect_head()
        self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._head_is_there()
        for crowd in (self.incomplete, self.idle):
            crowd.discard(address_of(self.client), self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read; the first byte of another request starts the time for its headers."""
        while data and not self._refused:
            if self.cycle is not None and self.cycle.response_complete and self._head is None:
                self._expect_head()
            # h11 limits headers that are not complete yet; large ones that come all at once would pass.
            size = len(data) if self._head is None else MAX_HEAD // 2
            super().data_received(data[:size])
            data = data[size:]
            if self.cycle is not None and self.cycle is not self._answered:
                self._answered = self.cycle
                self._head_is_there()
        self._count()

    def on_response_complete(self) -> None:
        """Wait for another request."""
        super().on_response_complete()
        self._count()

    def _count(self) -> None:
        """Count the connection by its state."""
        address, cycle = address_of(self.client), self.cycle
        incomplete = self._head is not None or (cycle is not None and cycle.more_body)
        idle = not incomplete and cycle is not None and cycle.response_complete
        for crowd, within in ((self.incomplete, incomplete), (self.idle, idle)):
            if within and not self.transport.is_closing():
                crowd.add(address, self)
            else:
                crowd.discard(address, self)

    def end(self) -> None:
        """Make room for another connection; what is heard of it is left to chance."""
        if self._head is not None and not self.transport.is_closing():
            self.transport.write(
                _answer(503, "too many connections have sent no whole request; this one is the oldest")
            )
        self.transport.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio takes True: the other half stays open
        """Keep the connection until a request that is complete is answered."""
        if self._refused:
            return None
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self.transport.is_closing():
            return None
        cycle.keep_alive = False
        for seconds in PROBES_S:
            self.loop.call_later(seconds, self._probe, cycle)
        return True

    def _probe(self, cycle: RequestResponseCycle) -> None:
        """Send what a client skips; a system whose client left answers the first by a reset, and the next one fails."""
        if not cycle.response_started and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send_400_response(self, msg: str) -> None:
        """Answer an error of the protocol with its own status, in JSON."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        self._refuse(status, REASONS.get(status, f"this is no valid HTTP: {error}"))

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _head_is_there(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self._refuse(408, f"the headers did not arrive in {self.head_timeout_s:g} s")

    def _refuse(self, status: int, text: str) -> None:
        body = json.dumps({"error": " ".join(text.split())}).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        # A connection that is closed while the client still sends makes its system throw the answer away.
        self._refused = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)


def _answer(status: int, text: str) -> bytes:
    """Return a whole answer, after which the connection ends."""
    body = json.dumps({"error": text})
    head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n{body}".encode()


def connection_class(head_timeout_s: float, most: int) -> type[Connection]:
    """Return the class of the connections of one server.

    Args:
        head_timeout_s: seconds in which headers must arrive.
        most: connections without a whole request, and idle connections.
    """
    crowds = {name: Crowd(most, Connection.end) for name in ("incomplete", "idle")}
    return type("Connection", (Connection,), {"head_timeout_s": head_timeout_s, **crowds})
