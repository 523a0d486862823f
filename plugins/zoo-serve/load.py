"""Send many requests to a server of zoo-serve, and compare every answer with what is expected.

    zoo predict model.onnx images/ --top_k 5 --output expected.json
    python load.py http://127.0.0.1:8000 images/ --requests 10000 --clients 16 --expected expected.json

Without --expected, the answers to the images sent one at a time, before the measurement, are what is expected. Exit
status: 0 nothing was lost, refused or different; 1 otherwise.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}

#: Difference of probabilities that float arithmetic in batches of other sizes explains.
TOLERANCE = 1e-5


class Load:
    """Clients that share a number of requests, each with one connection.

    Args:
        url: of the server.
        images: content by file name.
        expected: predictions by file name, ``[{"class": ..., "probability": ...}, ...]``.
    """

    def __init__(self, url: str, images: dict[str, bytes], expected: dict[str, list[dict[str, Any]]]) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.images, self.expected = images, expected
        self.outcomes: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.difference = 0.0
        self.lock = threading.Lock()

    def run(self, requests: int, clients: int) -> float:
        """Send all requests; return the seconds they took together."""
        names = itertools.islice(itertools.cycle(self.images), requests)
        threads = [threading.Thread(target=self._client, args=(names,)) for _ in range(clients)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin

    def send(self, connection: http.client.HTTPConnection, name: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer for one image."""
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("POST", "/predict?top_k=5", self.images[name], headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def _client(self, names: Any) -> None:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        while True:
            with self.lock:
                name = next(names, None)
            if name is None:
                connection.close()
                return
            begin = time.perf_counter()
            try:
                status, answer = self.send(connection, name)
            except (OSError, http.client.HTTPException, ValueError) as error:
                outcome = f"lost ({type(error).__name__})"
                connection.close()
            else:
                outcome = self._compare(name, answer) if status == 200 else f"refused ({status})"
            seconds = time.perf_counter() - begin
            with self.lock:
                self.outcomes[outcome] += 1
                self.seconds.append(seconds)

    def _compare(self, name: str, answer: dict[str, Any]) -> str:
        got, expected = answer["predictions"], self.expected[name]
        off = max(abs(one["probability"] - other["probability"]) for one, other in zip(got, expected, strict=True))
        with self.lock:
            self.difference = max(self.difference, off)
        same = [one["class"] for one in got] == [one["class"] for one in expected]
        return "right" if same and off <= TOLERANCE else "different"


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--expected", type=Path, help="what 'zoo predict --output FILE.json' wrote of the same images")
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        parser.error(f"no image in {options.folder}")
    load = Load(options.url, {path.name: path.read_bytes() for path in files}, {})
    if options.expected:
        rows = json.loads(options.expected.read_text(encoding="utf-8"))
        load.expected = {Path(row["file"]).name: row["predictions"] for row in rows}
    else:
        connection = http.client.HTTPConnection(load.host, load.port, timeout=60)
        load.expected = {name: load.send(connection, name)[1]["predictions"] for name in load.images}
        connection.close()
    seconds = load.run(options.requests, options.clients)
    times = sorted(load.seconds)
    lost = sum(count for outcome, count in load.outcomes.items() if outcome.startswith("lost"))
    print(f"requests      {options.requests:,} of {len(files)} images by {options.clients} clients in {seconds:.1f} s")
    print(f"lost          {lost}")
    print(f"outcomes      {', '.join(f'{outcome}: {count:,}' for outcome, count in load.outcomes.most_common())}")
    print(f"difference    {load.difference:.2g} at most between probabilities (allowed {TOLERANCE:g})")
    print(f"p50, p99      {1000 * times[len(times) // 2]:.1f} ms, {1000 * times[len(times) * 99 // 100]:.1f} ms")
    print(f"throughput    {options.requests / seconds:,.0f} requests/s")
    return int(set(load.outcomes) != {"right"})


if __name__ == "__main__":
    sys.exit(main())
