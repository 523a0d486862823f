"""What Prometheus is told at ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The figures of one server.

    Args:
        queue_length: tells how many images are being answered.
        pixels: tells how many pixels of large pictures are in memory.

    Attributes:
        requests: how many were answered, by HTTP status; 499: the client left first.
        seconds: from a request's first byte to its answer's.
        batch: images in each batch.
        reloads: model files that were replaced, loaded or refused.
    """

    def __init__(self, queue_length: Callable[[], int], pixels: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "zoo_serve_requests", "Requests for predictions that were answered", ["status"], registry=self._registry
        )
        self.seconds = Histogram(
            "zoo_serve_request_seconds",
            "Time to answer a request for predictions",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.batch = Histogram("zoo_serve_batch_size", "Images in a batch", buckets=SIZES, registry=self._registry)
        self.reloads = Counter(
            "zoo_serve_reloads", "Model files that were replaced", ["outcome"], registry=self._registry
        )
        Gauge("zoo_serve_queue_length", "Images being answered", registry=self._registry).set_function(queue_length)
        large = "Pixels of large pictures in memory"
        Gauge("zoo_serve_large_pixels", large, registry=self._registry).set_function(pixels)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)
