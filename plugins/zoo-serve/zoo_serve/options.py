"""What can be set: of the server, its batches and its limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of ``zoo serve``.

    Args:
        models: ``.onnx`` files, each as it is or as ``NAME=FILE``; the first answers at ``/predict``.
        host: the address to listen at.
        port: the port; 0 takes a free one.
        threads: that compute on the CPU; by default one a core.
        max_batch: images that run through the network at once at most.
        max_wait_ms: how long an image waits at most for others that are being read, milliseconds.
        max_mb: size of a request's body at most, 1,000,000 bytes each.
        max_queue: requests that are being answered at most; more are refused.
        max_incomplete: connections that have not sent a whole request at most, and idle ones; more end the oldest.
        timeout_s: seconds a request may take.
        head_timeout_s: seconds in which the headers of a request must arrive.
        body_timeout_s: seconds in which its body must arrive; by default as ``timeout_s``.
        max_bodies_mb: size of all bodies in memory together at most, 1,000,000 bytes each; more requests are refused.
        full_mp: JPEG pictures of more megapixels are decoded at a half, a quarter or an eighth of their size.
        flight_mp: megapixels of large pictures that are read at once.
        provider: what computes: ``cpu``, ``cuda`` or another execution provider of onnxruntime.
        cors: origins whose pages may ask this server, ``*`` for all.
        access_log: a file that gets a line for each request; ``-`` is stdout.
        reload_s: seconds between two looks at whether a model file was replaced; 0 never looks.

    Raises:
        ValueError: a value is outside what is allowed.
    """

    models: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int | None = None
    max_batch: int = 32
    max_wait_ms: float = 2.0
    max_mb: float = 10.0
    max_queue: int = 128
    max_incomplete: int = 256
    timeout_s: float = 30.0
    head_timeout_s: float = 10.0
    body_timeout_s: float | None = None
    max_bodies_mb: float = 250.0
    full_mp: float = 25.0
    flight_mp: float = 90.0
    provider: str = "cpu"
    cors: tuple[str, ...] = ()
    access_log: str | None = None
    reload_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port is {self.port}; allowed is 0 to 65535, 0 for a free one")
        for name in ("threads", "max_batch", "max_queue", "max_incomplete"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; allowed is 1 or more")
        if not 0 <= self.max_wait_ms <= 10_000:
            raise ValueError(f"--max_wait_ms is {self.max_wait_ms:g}; allowed is 0 to 10000")
        if not 0 < self.max_mb <= 2000:
            raise ValueError(f"--max_mb is {self.max_mb:g}; allowed is more than 0, up to 2000")
        for name in ("timeout_s", "head_timeout_s", "body_timeout_s"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 < seconds <= 86_400:
                raise ValueError(f"--{name} is {seconds:g}; allowed is more than 0, up to 86400")
        for name in ("full_mp", "flight_mp"):
            if not 1 <= getattr(self, name) <= 10_000:
                raise ValueError(f"--{name} is {getattr(self, name):g}; allowed is 1 to 10000")
        if not self.max_mb <= self.max_bodies_mb <= 1_000_000:
            raise ValueError(
                f"--max_bodies_mb is {self.max_bodies_mb:g}; allowed is --max_mb ({self.max_mb:g}) or more"
            )
        if not 0 <= self.reload_s <= 86_400:
            raise ValueError(f"--reload_s is {self.reload_s:g}; allowed is 0 to 86400")
        for origin in self.cors:
            if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
                raise ValueError(f"--cors is '{origin}'; allowed is * or an origin such as https://example.org")

    @property
    def files(self) -> dict[str, str]:
        """The model files by their names, the first first.

        Raises:
            ValueError: two have one name, or a name cannot stand in an address.
        """
        files: dict[str, str] = {}
        for model in self.models:
            name, equals, file = model.partition("=")
            if not equals or "/" in name:
                name, file = re.sub(r"[^\w.-]+", "-", Path(model).stem), model
            if not re.fullmatch(r"[\w.-]+", name):
                raise ValueError(f"'{name}' is no name of a model; allowed are letters, digits, '.', '-' and '_'")
            if name in files:
                raise ValueError(f"{files[name]} and {file} are both called '{name}'; name them: NAME=FILE")
            files[name] = file
        return files

    @property
    def full_pixels(self) -> int:
        """Pixels of a JPEG picture that is decoded as it is."""
        return int(self.full_mp * 1_000_000)

    @property
    def flight_pixels(self) -> int:
        """Pixels of large pictures that are read at once."""
        return int(self.flight_mp * 1_000_000)

    @property
    def body_s(self) -> float:
        """Seconds in which a body must arrive."""
        return self.timeout_s if self.body_timeout_s is None else self.body_timeout_s

    @property
    def max_bytes(self) -> int:
        """Bytes of a request's body at most."""
        return int(self.max_mb * 1_000_000)
