"""Classify any number of pictures on all cores, in little memory and in their order.

    names ──► chunks ──► threads, each: read a chunk's pictures, scale them, run the network ──► results, in order

A thread runs the network on its own chunk, so reading and computing never wait for each other. Pillow, onnxruntime and
torch work beside each other while they decode, scale and compute. Only a few chunks are read ahead of the result that
is taken.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np

from zoo.core.errors import ImageError

#: Pictures in all chunks that are computed at one time: as many as one batch of training, for the network's memory.
AT_ONCE = 32


class Network(Protocol):
    """What classifies pictures of one size; every method may be called from several threads at once."""

    classes: tuple[str, ...]
    #: For each class the least probability with which it is named, float32 ``(classes,)``; None for no such limit.
    thresholds: np.ndarray | None

    def see(self, name: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Return what the network sees of a file or address, and the height and width that it was read with.

        Returns:
            uint8 ``(height, width, channels)`` of the network's own size, and ``(height, width)``.

        Raises:
            ImageError: the picture cannot be read.
        """
        ...

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 ``(batch, classes)`` for uint8 ``(batch, height, width, channels)`` of its own size."""
        ...

    def differences(self, pixels: np.ndarray, sizes: Sequence[tuple[int, int]]) -> list[list[str]]:
        """Return in what each picture is far from the training images, a sentence each.

        Args:
            pixels: as ``probabilities`` takes them.
            sizes: height and width that each was read with.
        """
        ...


@dataclass(frozen=True)
class Result:
    """What came of one picture.

    Args:
        name: its file or address.
        probabilities: float32 ``(classes,)``; None if it could not be read.
        warnings: in what it is far from the training images.
        error: why it could not be read.
    """

    name: str
    probabilities: np.ndarray | None = None
    warnings: Sequence[str] = ()
    error: str = ""


def cores() -> int:
    """Return how many CPU cores this process may use."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def plan(count: int, cores: int) -> tuple[int, int]:
    """Return how many threads classify ``count`` pictures, and how many of them are a chunk."""
    chunk = max(1, AT_ONCE // cores)
    return max(1, min(cores, -(-count // chunk))), chunk


def classify(network: Network, names: Sequence[str], threads: int, chunk: int) -> Generator[list[Result], None, None]:
    """Yield what comes of the pictures, in order, a chunk at a time.

    A picture that cannot be read is a result with its error. Whole chunks are yielded because a thread waits each time
    that the one which takes the results works.

    Args:
        network: the classifier.
        names: files and addresses.
        threads: how many read and compute at the same time.
        chunk: pictures that a thread takes at once.
    """
    stopped = Event()

    def work(part: Sequence[str]) -> list[Result]:
        return [] if stopped.is_set() else _classify_chunk(network, part)

    parts = (names[first : first + chunk] for first in range(0, len(names), chunk))
    pool = ThreadPoolExecutor(threads, "classify")
    try:
        waiting: deque[Future[list[Result]]] = deque()
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _classify_chunk(network: Network, names: Sequence[str]) -> list[Result]:
    results, seen, sizes = [], [], []
    for name in names:
        try:
            pixels, size = network.see(name)
        except ImageError as error:
            results.append(Result(name, error=str(error)))
        else:
            results.append(Result(name))
            seen.append(pixels)
            sizes.append(size)
    if not seen:
        return results
    batch = np.stack(seen)
    computed = zip(network.probabilities(batch), network.differences(batch, sizes), strict=True)
    return [result if result.error else Result(result.name, *next(computed)) for result in results]
