"""Uploaded bytes become pixels: large pictures one behind the other, large JPEG files smaller than they are."""

from __future__ import annotations

import asyncio
import ctypes
import io
import math
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from PIL import Image
from zoo_runtime import MAX_PIXELS, Classifier, ImageError, formats

#: Pictures of so many pixels are read at once, as many as there are threads; larger ones wait for the budget.
SMALL = 4_000_000

#: libjpeg decodes at one of these parts of the size, for little time and memory.
REDUCTIONS = (2, 4, 8)

#: A reduced picture is at least so many times as wide and as high as what the network sees.
LEAST = 2


class LeftError(Exception):
    """The client left before its image was read."""


@dataclass(frozen=True)
class Seen:
    """An image as the network sees it.

    Args:
        pixels: uint8 ``(height, width, channels)`` of the network's size.
        reduced: the file was decoded at this part of its width and height: 2 is a half; 1 is exact.
    """

    pixels: np.ndarray
    reduced: int


@dataclass(frozen=True)
class Plan:
    """How a large file is to be read.

    Args:
        cost: pixels that are in memory meanwhile.
        reduced: as in ``Seen``.
    """

    cost: int
    reduced: int


class Budget:
    """How many pixels of large pictures may be in memory: they wait for room one behind the other, in the event loop.

    Args:
        size: pixels in all.
    """

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, pixels: int, deadline: float) -> None:
        """Take pixels.

        Args:
            pixels: how many; more than ``size`` wait until nothing else is taken.
            deadline: a time of ``time.monotonic()``.

        Raises:
            TimeoutError: there was no room by then; nothing is taken.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = min(pixels, self.size), turn
        self._waiting.append(entry)
        self._serve()
        try:
            await asyncio.wait_for(asyncio.shield(turn), deadline - time.monotonic())
        except BaseException as error:
            if turn.done():
                self.release(pixels)
            else:
                self._waiting.remove(entry)
                self._serve()
            if isinstance(error, TimeoutError):
                raise TimeoutError("no memory was free in time") from error
            raise

    def release(self, pixels: int) -> None:
        """Give pixels back."""
        self.free += min(pixels, self.size)
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            pixels, turn = self._waiting.popleft()
            self.free -= pixels
            turn.set_result(None)


class Reader:
    """Reads uploaded images as a classifier sees them; its methods block, so they are for threads.

    Args:
        classifier: whose images they are.
        full_pixels: JPEG files of more are reduced.
    """

    def __init__(self, classifier: Classifier, full_pixels: int) -> None:
        self._classifier, self._full_pixels = classifier, full_pixels

    def read(self, content: bytes, deadline: float, left: threading.Event, plan: Plan | None = None) -> Seen | Plan:
        """Return an image, or the plan of a large one, to be called with again.

        Args:
            content: of the file.
            deadline: a time of ``time.monotonic()``, by which reading must have begun.
            left: is set when the client has left.
            plan: of a large image, for which there is room now.

        Raises:
            ImageError: it is no image, of a kind that is not read, damaged, or has too many pixels.
            TimeoutError: the deadline passed.
            LeftError: the client left.
        """
        if left.is_set():
            raise LeftError
        if time.monotonic() > deadline:
            raise TimeoutError("no thread was free in time")
        if plan is None:
            plan = self._plan(content)
            if plan.cost > SMALL:
                return plan
        try:
            if plan.reduced == 1:
                return Seen(self._classifier.see(io.BytesIO(content)), 1)
            return Seen(self._reduced(content, plan.reduced), plan.reduced)
        finally:
            if plan.cost > SMALL:
                give_memory_back()

    def _plan(self, content: bytes) -> Plan:
        """Return how to read a file, by its header."""
        try:
            with Image.open(io.BytesIO(content), formats=formats()) as image:
                (width, height), jpeg = image.size, image.format == "JPEG"
                progressive = "progressive" in image.info or "progression" in image.info
        except Image.DecompressionBombError as error:
            raise ImageError(f"the image has more pixels than the {MAX_PIXELS:,} that are read") from error
        except Exception as error:  # Pillow's readers raise anything for damaged files
            kinds = ", ".join(formats())
            raise ImageError(f"not an image that can be read (kinds that are: {kinds})") from error
        if width * height > MAX_PIXELS:
            raise ImageError(f"the image has {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
        reduced = self._reduction(width, height) if jpeg and width * height > self._full_pixels else 1
        # A progressive file keeps the numbers of all its pixels until it is decoded, reduced or not.
        return Plan(width * height if progressive else math.ceil(width * height / reduced**2), reduced)

    def _reduction(self, width: int, height: int) -> int:
        """Return the least reduction that brings a picture to ``full_pixels``, as far as the network's size allows."""
        geometry, chosen = self._classifier.geometry, 1
        for part in REDUCTIONS:
            if min(width // part // geometry.width, height // part // geometry.height) < LEAST:
                break
            chosen = part
            if width * height / part**2 <= self._full_pixels:
                break
        return chosen

    def _reduced(self, content: bytes, part: int) -> np.ndarray:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            image.draft(None, (image.width // part, image.height // part))
            try:
                pixels: np.ndarray = self._classifier.see(image)
                return pixels
            except OSError as error:
                raise ImageError(f"the image is damaged: {error}") from error


def give_memory_back() -> None:
    """Return free memory to the system, where the C library can: glibc keeps what large pictures took."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if hasattr(ctypes, "CDLL") else None
    if trim is not None:
        trim(0)
