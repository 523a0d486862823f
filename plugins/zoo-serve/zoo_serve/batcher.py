"""Images that wait at the same time run through the network together, those of one size in one batch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from zoo_serve.images import LeftError


@dataclass(eq=False)
class _Waiting:
    pixels: np.ndarray
    deadline: float
    arrived: float
    left: threading.Event
    row: asyncio.Future[np.ndarray]


class Batcher:
    """One thread that computes, and the images that wait for it.

    While a batch is computed the next one gathers by itself. When the thread is free, an image waits for company only
    while other images are being read, and at most ``max_wait_s``.

    Args:
        compute: uint8 ``(batch, height, width, channels)`` to float32 ``(batch, classes)``; called in the thread.
        max_batch: images in a batch at most.
        max_wait_s: seconds, see above.
        being_read: tells how many images are being read that will be here soon.
        observe: told the size of each batch.
    """

    def __init__(
        self,
        compute: Callable[[np.ndarray], np.ndarray],
        *,
        max_batch: int,
        max_wait_s: float,
        being_read: Callable[[], int],
        observe: Callable[[int], None],
    ) -> None:
        self._compute, self._max_batch, self._max_wait_s = compute, max_batch, max_wait_s
        self._being_read, self._observe = being_read, observe
        self._thread = ThreadPoolExecutor(1, "compute")
        self._waiting: list[_Waiting] = []
        self._arrival = asyncio.Event()

    async def submit(self, pixels: np.ndarray, deadline: float, left: threading.Event | None = None) -> np.ndarray:
        """Return the probabilities of one image.

        Args:
            pixels: uint8 ``(height, width, channels)``.
            deadline: a time of ``time.monotonic()``; an image that no batch has taken by then is dropped.
            left: is set when the client has left; its image is dropped too.

        Returns:
            float32 ``(classes,)``.

        Raises:
            TimeoutError: the deadline passed.
            LeftError: the client left.
            Exception: whatever ``compute`` raised for the batch.
        """
        row = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(pixels, deadline, time.monotonic(), left or threading.Event(), row))
        self._arrival.set()
        result: np.ndarray = await row
        return result

    async def work(self) -> None:
        """Compute batch after batch until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._gather()
                batch = self._take()
                if not batch:
                    continue
                self._observe(len(batch))
                images = [waiting.pixels for waiting in batch]
                try:
                    rows = await loop.run_in_executor(self._thread, self._compute_all, images)
                except Exception as error:  # each request that waits for it raises it
                    for waiting in batch:
                        waiting.row.set_exception(error)
                else:
                    for waiting, row in zip(batch, rows, strict=True):
                        waiting.row.set_result(row)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _compute_all(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return self._compute(np.stack(images))

    async def _gather(self) -> None:
        """Wait until there is an image, and for others that may join it."""
        while not self._waiting:
            await self._next(None)
        first = self._waiting[0]
        while self._being_read() and len(self._like(first)) < self._max_batch:
            left = first.arrived + self._max_wait_s - time.monotonic()
            if left <= 0 or not await self._next(left):
                return

    def _like(self, first: _Waiting) -> list[_Waiting]:
        """Return what waits and has the size of one."""
        return [one for one in self._waiting if one.pixels.shape == first.pixels.shape]

    async def _next(self, seconds: float | None) -> bool:
        """Wait for one more image; return False where none came within the time."""
        self._arrival.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._arrival.wait()
        except TimeoutError:
            return False
        return True

    def _take(self) -> list[_Waiting]:
        """Remove and return the first that waits, and those of its size; what is too late or for nobody is dropped."""
        now = time.monotonic()
        for late in [one for one in self._waiting if one.deadline <= now or one.left.is_set()]:
            self._waiting.remove(late)
            gone = late.left.is_set()
            late.row.set_exception(LeftError() if gone else TimeoutError("no batch had room in time"))
        if not self._waiting:
            return []
        batch = self._like(self._waiting[0])[: self._max_batch]
        self._waiting = [one for one in self._waiting if one not in batch]
        return batch
