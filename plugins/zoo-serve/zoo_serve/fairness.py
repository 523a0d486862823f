"""What a server has few of, connections and places, is shared between addresses: the one that has most gives up first.

connection without a whole request ─► Crowd: one too many ends the oldest of the address that has most
image to be answered ──────────────► Places: where none is free, the address that has most gives up its newest
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import HTTPException

from zoo_serve.engine import Client
from zoo_serve.images import LeftError

Member = TypeVar("Member", bound=Hashable)


class Crowd(Generic[Member]):
    """Connections in one state.

    Args:
        most: of all addresses together.
        end: called with the one that must go.
    """

    def __init__(self, most: int, end: Callable[[Member], None]) -> None:
        self._most, self._end, self._size = most, end, 0
        self._members: dict[str, dict[Member, None]] = {}  # by address, the oldest first

    def add(self, address: str, member: Member) -> None:
        """Count a connection; one that is counted already stays where it is."""
        members = self._members.setdefault(address, {})
        if member in members:
            return
        members[member] = None
        self._size += 1
        if self._size > self._most:
            owner = max(self._members, key=lambda one: len(self._members[one]))
            oldest = next(iter(self._members[owner]))
            self.discard(owner, oldest)
            self._end(oldest)

    def discard(self, address: str, member: Member) -> None:
        """Count a connection no longer."""
        members = self._members.get(address, {})
        if member in members:
            del members[member]
            self._size -= 1
            if not members:
                del self._members[address]


@dataclass(eq=False)
class _Holder:
    """A request's places; none once they were given to another address."""

    count: int
    client: Client


class Places:
    """Places of images that are being answered.

    Args:
        most: of all addresses together; a request of more images is taken where nothing else is.
    """

    def __init__(self, most: int) -> None:
        self._most, self.taken = most, 0
        self._holders: dict[str, list[_Holder]] = {}

    def require(self, address: str, count: int) -> None:
        """Raise HTTPException 503 where an address would get no places now."""
        if self.taken and self.taken + count > self._most and self._richer(address, count) is None:
            text = f"{self.taken} requests are being answered, as many as the server takes at once; try again"
            raise _busy(text)

    @contextmanager
    def take(self, address: str, count: int, client: Client) -> Iterator[None]:
        """Hold places for a request; HTTPException 503 where there are none, or another address needs them."""
        self.require(address, count)
        while self.taken and self.taken + count > self._most:
            owner = self._richer(address, count)
            if owner is None:
                break
            self._give_up(self._holders[owner][-1], owner)
        holder = _Holder(count, client)
        self._holders.setdefault(address, []).append(holder)
        self.taken += count
        try:
            yield
        except LeftError as error:
            if holder.count:
                raise
            raise _busy(
                "the server gave this request's place to another address, which has fewer; try again"
            ) from error
        finally:
            if holder.count:
                self._remove(holder, address)

    def _richer(self, address: str, count: int) -> str | None:
        """Return the address with most places, if it has more than this one would get."""
        if not self._holders:
            return None
        owner = max(self._holders, key=self._of)
        return owner if self._of(owner) > self._of(address) + count else None

    def _of(self, address: str) -> int:
        return sum(holder.count for holder in self._holders.get(address, ()))

    def _give_up(self, holder: _Holder, owner: str) -> None:
        self._remove(holder, owner)
        holder.count = 0
        holder.client.leave()

    def _remove(self, holder: _Holder, address: str) -> None:
        self.taken -= holder.count
        self._holders[address].remove(holder)
        if not self._holders[address]:
            del self._holders[address]


def _busy(text: str) -> HTTPException:
    return HTTPException(503, text, {"retry-after": "1"})


def address_of(client: Any) -> str:
    """Return the address of a client, ``(host, port)`` or None."""
    return str(client[0]) if client else ""
