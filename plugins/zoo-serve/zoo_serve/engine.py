"""From an uploaded file to probabilities: threads that read, one thread that computes, and nothing forgotten.

A request that runs out of time is answered at once. What it began is not torn down but ends by itself at the next
step, and holds its share of the memory until then, so that the bound on memory is one.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from zoo_runtime import Classifier

from zoo_serve.batcher import Batcher
from zoo_serve.images import Reader
from zoo_serve.metrics import Metrics
from zoo_serve.options import Options

#: Threads that read images at most.
READERS = 8


class Engine:
    """Answers for a classifier; to be made, opened and closed in one event loop.

    Args:
        classifier: the model.
        options: of batches.
        metrics: told the sizes of batches.
    """

    def __init__(self, classifier: Classifier, options: Options, metrics: Metrics) -> None:
        self._reader = Reader(classifier)
        self._threads = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1), "read")
        self._being_read = 0
        self._jobs: set[asyncio.Task[np.ndarray]] = set()
        self._batcher = Batcher(
            classifier.probabilities,
            max_batch=options.max_batch,
            max_wait_s=options.max_wait_ms / 1000,
            being_read=lambda: self._being_read,
            observe=metrics.batch.observe,
        )
        self._work = asyncio.create_task(self._batcher.work())

    @property
    def works(self) -> bool:
        """Whether images are being computed; False after a fault in the server itself."""
        return not self._work.done()

    async def close(self) -> None:
        """Drop what is unfinished, and end the threads."""
        for task in (self._work, *self._jobs):
            task.cancel()
        await asyncio.gather(self._work, *self._jobs, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def probabilities(self, content: bytes, deadline: float) -> np.ndarray:
        """Return the probabilities of one image file.

        Args:
            content: of the file.
            deadline: a time of ``time.monotonic()``.

        Returns:
            float32 ``(classes,)``.

        Raises:
            ImageError: the image cannot be used.
            TimeoutError: the deadline passed.
        """
        job = asyncio.create_task(self._job(content, deadline))
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        done, _ = await asyncio.wait({job}, timeout=deadline - time.monotonic())
        if not done:
            raise TimeoutError("the answer was not ready in time")
        return job.result()

    async def _job(self, content: bytes, deadline: float) -> np.ndarray:
        loop = asyncio.get_running_loop()
        self._being_read += 1
        try:
            pixels, cost = await loop.run_in_executor(self._threads, self._reader.read, content, deadline)
        finally:
            self._being_read -= 1
        try:
            return await self._batcher.submit(pixels, deadline)
        finally:
            self._reader.release(cost)

    def _ended(self, job: asyncio.Task[np.ndarray]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # seen, also where its request no longer waits
