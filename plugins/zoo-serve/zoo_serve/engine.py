"""From an uploaded file to probabilities: threads that read, one thread that computes, and nothing forgotten.

A request that runs out of time, or whose client leaves, is answered at once. What it began is not torn down but ends by
itself at the next step, and holds its share of the memory until then, so that the bound on memory is one.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from zoo_runtime import Classifier

from zoo_serve.batcher import Batcher
from zoo_serve.images import Budget, LeftError, Plan, Reader, Seen
from zoo_serve.options import Options

#: Share of the places that large pictures may take: they wait for each other, and would fill them all.
LARGE_SHARE = 4

#: Threads that read images, at least and at most; large pictures take all but one.
READERS = (2, 8)


class BusyError(Exception):
    """As many large pictures wait as may."""


@dataclass
class Pool:
    """What all models of a server share: threads that read, and the memory of large pictures.

    Args:
        budget: of large pictures.
        threads: that read.
        lane: large pictures that are read at once, so that a thread is left for small ones.
        most_large: large pictures that are read or wait, at most.
        large: how many do.
    """

    budget: Budget
    threads: ThreadPoolExecutor
    lane: asyncio.Semaphore
    most_large: int
    large: int = 0

    @classmethod
    def open(cls, options: Options) -> Pool:
        """Make it in a running event loop."""
        count = min(max(os.cpu_count() or 1, READERS[0]), READERS[1])
        threads, most = ThreadPoolExecutor(count, "read"), max(1, options.max_queue // LARGE_SHARE)
        return cls(Budget(options.flight_pixels), threads, asyncio.Semaphore(count - 1), most)

    @property
    def taken(self) -> int:
        """Pixels of large pictures that are being read."""
        return self.budget.size - self.budget.free

    def close(self) -> None:
        """End the threads."""
        self.threads.shutdown(wait=False, cancel_futures=True)


@dataclass
class Result:
    """What one image gets.

    Args:
        row: float32 ``(classes,)``, its probabilities.
        reduced: as in ``zoo_serve.images.Seen``.
    """

    row: np.ndarray
    reduced: int


@dataclass(eq=False)
class Client:
    """Whether who asked is still there.

    Args:
        left: is set when not, for threads.
        gone: done when not, for the event loop.
    """

    left: threading.Event = field(default_factory=threading.Event)
    gone: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def leave(self) -> None:
        """Say that the client has left."""
        self.left.set()
        if not self.gone.done():
            self.gone.set_result(None)


class Engine:
    """Answers for a classifier; to be made, opened and closed in one event loop.

    Args:
        classifier: the model.
        options: of batches.
        pool: shared with other models.
        observe: told the size of each batch.
    """

    def __init__(self, classifier: Classifier, options: Options, pool: Pool, observe: Callable[[int], None]) -> None:
        self._reader, self._pool = Reader(classifier, options.full_pixels), pool
        self._being_read = 0
        self._jobs: set[asyncio.Task[Result]] = set()
        self._batcher = Batcher(
            classifier.probabilities,
            max_batch=options.max_batch,
            max_wait_s=options.max_wait_ms / 1000,
            being_read=lambda: self._being_read,
            observe=observe,
        )
        self._work = asyncio.create_task(self._batcher.work())

    @property
    def works(self) -> bool:
        """Whether images are being computed; False after a fault in the server itself."""
        return not self._work.done()

    async def close(self, patience_s: float = 0.0) -> None:
        """Drop what is unfinished after some seconds."""
        if self._jobs and patience_s:
            await asyncio.wait(self._jobs, timeout=patience_s)
        for task in (self._work, *self._jobs):
            task.cancel()
        await asyncio.gather(self._work, *self._jobs, return_exceptions=True)

    async def answer(self, content: bytes, deadline: float, client: Client) -> Result:
        """Return the probabilities of one image file.

        Args:
            content: of the file.
            deadline: a time of ``time.monotonic()``.
            client: who asked.

        Raises:
            ImageError: the image cannot be used.
            BusyError: it is large, and so are enough others.
            TimeoutError: the deadline passed.
            LeftError: the client left.
        """
        job = asyncio.create_task(self._job(content, deadline, client))
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        either: set[asyncio.Future[Any]] = {job, client.gone}
        left_s = max(0.0, deadline - time.monotonic())
        await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        if client.gone.done():
            raise LeftError
        raise TimeoutError("the answer was not ready in time")

    async def _job(self, content: bytes, deadline: float, client: Client) -> Result:
        seen = await self._read(content, deadline, client)
        if isinstance(seen, Plan):
            seen = await self._read_large(content, deadline, client, seen)
        if not isinstance(seen, Seen):
            raise RuntimeError("a large image was planned twice")
        return Result(await self._batcher.submit(seen.pixels, deadline, client.left), seen.reduced)

    async def _read_large(self, content: bytes, deadline: float, client: Client, plan: Plan) -> Seen | Plan:
        pool = self._pool
        if pool.large >= pool.most_large:
            raise BusyError(f"{pool.large} large pictures are being read or wait, as many as the server takes at once")
        pool.large += 1
        try:
            async with pool.lane:
                await pool.budget.acquire(plan.cost, deadline)
                try:
                    return await self._read(content, deadline, client, plan)
                finally:
                    pool.budget.release(plan.cost)
        finally:
            pool.large -= 1

    async def _read(self, content: bytes, deadline: float, client: Client, plan: Plan | None = None) -> Seen | Plan:
        loop = asyncio.get_running_loop()
        if plan is not None:  # no batch waits for what takes long
            return await loop.run_in_executor(
                self._pool.threads, self._reader.read, content, deadline, client.left, plan
            )
        self._being_read += 1
        try:
            return await loop.run_in_executor(self._pool.threads, self._reader.read, content, deadline, client.left)
        finally:
            self._being_read -= 1

    def _ended(self, job: asyncio.Task[Result]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # seen, also where its request no longer waits
