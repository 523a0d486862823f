"""Which images run together, what becomes of errors and of what is late, and that memory is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import numpy as np
from zoo_serve.batcher import Batcher
from zoo_serve.images import LeftError


def image(side, value=0):
    return np.full((side, side, 3), value, np.uint8)


def batches_of(images, compute=None, deadline=60.0, being_read=lambda: 0, **options):
    """Submit images together; return the shapes of the batches, and each image's row or error."""
    shapes = []

    def remember(batch):
        shapes.append(batch.shape)
        return compute(batch) if compute else batch[:, 0, 0].astype(np.float32)

    async def go():
        batcher = Batcher(
            remember, **{"max_batch": 32, "max_wait_s": 0.0} | options, being_read=being_read, observe=lambda size: None
        )
        work = asyncio.create_task(batcher.work())
        until = time.monotonic() + deadline
        rows = await asyncio.gather(*(batcher.submit(one, until) for one in images), return_exceptions=True)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        return rows

    return asyncio.run(go()), shapes


def test_images_of_one_size_run_together_and_get_their_own_rows():
    rows, shapes = batches_of([image(4, 1), image(6, 2), image(4, 3), image(6, 4), image(4, 5)])
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert shapes == [(3, 4, 4, 3), (2, 6, 6, 3)]


def test_a_batch_has_at_most_max_batch_images():
    _, shapes = batches_of([image(4)] * 7, max_batch=3)
    assert [shape[0] for shape in shapes] == [3, 3, 1]


def test_an_error_reaches_every_image_of_its_batch_and_no_other():
    def compute(batch):
        if batch.shape[1] == 4:
            raise ValueError("4 is too small")
        return np.zeros((len(batch), 2), np.float32)

    rows, _ = batches_of([image(4), image(6), image(4)], compute)
    assert [type(row) for row in rows] == [ValueError, np.ndarray, ValueError]


def test_what_is_late_is_dropped_and_not_computed():
    rows, shapes = batches_of([image(4)], deadline=-1.0)
    assert isinstance(rows[0], TimeoutError)
    assert shapes == []


def test_an_image_waits_for_others_only_while_they_are_being_read():
    begin = time.monotonic()
    batches_of([image(4)], max_wait_s=0.3)
    assert time.monotonic() - begin < 0.2
    begin = time.monotonic()
    batches_of([image(4)], max_wait_s=0.3, being_read=lambda: 1)
    assert time.monotonic() - begin >= 0.3
    begin = time.monotonic()
    batches_of([image(4)] * 2, max_wait_s=0.3, max_batch=2, being_read=lambda: 1)  # full: nothing to wait for
    assert time.monotonic() - begin < 0.2


def test_the_image_of_a_client_that_left_is_dropped():
    async def go():
        left, computed = threading.Event(), []
        batcher = Batcher(
            lambda batch: computed.append(len(batch)) or batch[:, 0, 0].astype(np.float32),
            max_batch=32, max_wait_s=0.0, being_read=lambda: 0, observe=lambda size: None,
        )  # fmt: skip
        left.set()
        waiting = [batcher.submit(image(8), time.monotonic() + 60, gone) for gone in (left, None)]
        work = asyncio.create_task(batcher.work())
        rows = await asyncio.gather(*waiting, return_exceptions=True)
        work.cancel()
        assert [type(row) for row in rows] == [LeftError, np.ndarray]
        assert computed == [1]

    asyncio.run(go())
