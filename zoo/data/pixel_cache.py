"""Decoded images that all worker processes of a training share, so that each file is decoded once."""

from __future__ import annotations

import math
import mmap
import multiprocessing
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: What the table holds of an image: the byte behind its first, which is 0 where it is not held; its shape; its label.
FIRST, SHAPE, LABEL, COLUMNS = 0, slice(1, 4), 4, 5


class PixelCache:
    """Keeps images as long as there is room.

    The memory is shared by processes that are forked, and taken from the system when it is first written to. Processes
    that are spawned (macOS, Windows) keep nothing.

    Args:
        count: items of the data set.
        limit: bytes of all pixels.
    """

    def __init__(self, count: int, limit: int) -> None:
        self._lock = multiprocessing.Lock()
        self._pixels = mmap.mmap(-1, limit) if limit > 0 else None
        self._table = np.frombuffer(mmap.mmap(-1, (count + 1) * COLUMNS * 8), np.int64).reshape(-1, COLUMNS)
        self.limit = limit

    def __getstate__(self) -> dict[str, Any]:
        return {"_pixels": None}

    def get(self, item: int) -> tuple[Tensor, int] | None:
        """Return pixels, uint8 ``(height, width, channels)``, and label of an item; None where it is not held."""
        if self._pixels is None:
            return None
        with self._lock:
            row = self._table[item].tolist()
        if row[FIRST] == 0:
            return None
        shape = row[SHAPE]
        pixels = np.frombuffer(self._pixels, np.uint8, math.prod(shape), row[FIRST] - 1)
        return torch.from_numpy(pixels.reshape(shape)), row[LABEL]

    def put(self, item: int, pixels: Tensor, label: int) -> None:
        """Keep an item, if there is room; arguments as ``get`` returns them."""
        if self._pixels is None:
            return
        with self._lock:
            begin = int(self._table[-1, FIRST])  # the last row counts the bytes that are taken
            if begin + pixels.nbytes > self.limit:
                return
            self._table[-1, FIRST] = begin + pixels.nbytes
        held = np.frombuffer(self._pixels, np.uint8, pixels.nbytes, begin)
        held[:] = pixels.contiguous().flatten().numpy()
        with self._lock:
            self._table[item, SHAPE], self._table[item, LABEL] = pixels.shape, label
            self._table[item, FIRST] = begin + 1
