"""Uploaded bytes become pixels, and all pixels in memory together are bounded."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
from PIL import Image
from zoo_runtime import MAX_PIXELS, Classifier, ImageError, formats


class Budget:
    """How many pixels may be in memory: threads wait for room one behind the other, so that large images get it too.

    Args:
        size: pixels in all; nobody can ask for more.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._turn = threading.Lock()
        self._change = threading.Condition()

    def acquire(self, pixels: int, deadline: float) -> None:
        """Take pixels.

        Args:
            pixels: how many.
            deadline: a time of ``time.monotonic()``.

        Raises:
            TimeoutError: there was no room by then; nothing is taken.
        """
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError("no memory was free in time")
        try:
            with self._change:
                if not self._change.wait_for(lambda: pixels <= self._free, deadline - time.monotonic()):
                    raise TimeoutError("no memory was free in time")
                self._free -= pixels
        finally:
            self._turn.release()

    def release(self, pixels: int) -> None:
        """Give pixels back."""
        with self._change:
            self._free += pixels
            self._change.notify_all()


class Reader:
    """Reads uploaded images as a classifier sees them; those in memory have MAX_PIXELS at most, all together.

    Args:
        classifier: whose images they are.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._budget = Budget(MAX_PIXELS)

    def read(self, content: bytes, deadline: float) -> tuple[np.ndarray, int]:
        """Return the pixels of an image file, and their cost; blocks, so it is for a thread.

        Args:
            content: of the file.
            deadline: a time of ``time.monotonic()``, by which reading must have begun.

        Returns:
            uint8 ``(height, width, channels)`` of the network's size, and what to give to ``release`` afterwards.

        Raises:
            ImageError: it is no image, of a kind that is not read, damaged, or has too many pixels.
            TimeoutError: the deadline passed.
        """
        if time.monotonic() > deadline:
            raise TimeoutError("no thread was free in time")
        pixels = self._size(content)
        self._budget.acquire(pixels, deadline)
        try:
            return self._classifier.see(io.BytesIO(content)), pixels
        except BaseException:
            self._budget.release(pixels)
            raise

    def release(self, cost: int) -> None:
        """Say that what ``read`` returned is no longer in use."""
        self._budget.release(cost)

    def _size(self, content: bytes) -> int:
        """Return how many pixels the file's header announces."""
        try:
            with Image.open(io.BytesIO(content), formats=formats()) as image:
                width, height = image.size
        except Image.DecompressionBombError as error:
            raise ImageError(f"the image has more pixels than the {MAX_PIXELS:,} that are read") from error
        except Exception as error:  # Pillow's readers raise anything for damaged files
            kinds = ", ".join(formats())
            raise ImageError(f"not an image that can be read (kinds that are: {kinds})") from error
        if width * height > MAX_PIXELS:
            raise ImageError(f"the image has {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
        return width * height
