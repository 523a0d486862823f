"""What can be set: of the server, its batches and its limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options of ``zoo serve``.

    Args:
        model: the ``.onnx`` file.
        host: the address to listen at.
        port: the port; 0 takes a free one.
        threads: that compute on the CPU; by default one a core.
        max_batch: images that run through the network at once at most.
        max_wait_ms: how long an image waits at most for others that are being read, milliseconds.
        max_mb: size of a request's body at most, 1,000,000 bytes each.
        max_queue: requests that are being answered at most; more are refused.
        timeout_s: seconds a request may take.

    Raises:
        ValueError: a value is outside what is allowed.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int | None = None
    max_batch: int = 32
    max_wait_ms: float = 2.0
    max_mb: float = 10.0
    max_queue: int = 128
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port is {self.port}; allowed is 0 to 65535, 0 for a free one")
        for name, value in (("threads", self.threads), ("max_batch", self.max_batch), ("max_queue", self.max_queue)):
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; allowed is 1 or more")
        if not 0 <= self.max_wait_ms <= 10_000:
            raise ValueError(f"--max_wait_ms is {self.max_wait_ms:g}; allowed is 0 to 10000")
        if not 0 < self.max_mb <= 2000:
            raise ValueError(f"--max_mb is {self.max_mb:g}; allowed is more than 0, up to 2000")
        if not 0 < self.timeout_s <= 86_400:
            raise ValueError(f"--timeout_s is {self.timeout_s:g}; allowed is more than 0, up to 86400")

    @property
    def max_bytes(self) -> int:
        """Bytes of a request's body at most."""
        return int(self.max_mb * 1_000_000)
