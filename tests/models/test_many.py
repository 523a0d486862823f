"""Classifying many pictures: in order, on several threads, a few chunks ahead."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from zoo.core.errors import ImageError
from zoo.models.many import AT_ONCE, classify, plan


class Halves:
    """A network of two classes: a picture is the number that its name ends in, which is its probability in percent."""

    classes = ("no", "yes")
    thresholds = None

    def __init__(self):
        self.seen, self.threads = [], set()

    def see(self, name):
        self.threads.add(threading.get_ident())
        self.seen.append(name)
        if name == "bad":
            raise ImageError("bad: cannot be read")
        return np.full((1, 1, 1), int(name), np.uint8), (1, 1)

    def differences(self, pixels, sizes):
        return [["zero"] if picture.max() == 0 else [] for picture in pixels]

    def probabilities(self, pixels):
        return np.hstack([1 - pixels.reshape(-1, 1) / 100, pixels.reshape(-1, 1) / 100]).astype(np.float32)


def test_results_come_in_the_order_of_the_names():
    names = [*map(str, range(50)), "bad", *map(str, range(50, 100))]
    results = [result for chunk in classify(Halves(), names, 4, 3) for result in chunk]
    assert [result.name for result in results] == names
    assert [result.probabilities[1] for result in results if not result.error] == pytest.approx(np.arange(100) / 100)
    assert [(result.error, result.probabilities) for result in results if result.error] == [
        ("bad: cannot be read", None)
    ]
    assert [result.name for result in results if result.warnings] == ["0"]


def test_only_a_few_chunks_are_read_ahead_of_the_result_that_is_taken():
    network = Halves()
    chunks = classify(network, ["1"] * 10_000, 2, 3)
    for _ in range(10):
        assert len(next(chunks)) == 3
    chunks.close()
    assert len(network.seen) <= 30 + 3 * (2 * 2 + 2)


def test_a_failing_network_ends_it():
    network = Halves()
    network.probabilities = lambda pixels: 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(classify(network, ["1"] * 100, 2, 3))


@pytest.mark.parametrize(
    ("count", "cores", "threads", "chunk"),
    [(1, 8, 1, 4), (5, 8, 2, 4), (1000, 8, 8, 4), (1000, 2, 2, 16), (0, 4, 1, 8), (1000, 100, 100, 1)],
)
def test_few_pictures_take_few_threads_and_chunks_hold_one_batch_together(count, cores, threads, chunk):
    assert plan(count, cores) == (threads, chunk)
    assert chunk * cores <= max(AT_ONCE, cores)
