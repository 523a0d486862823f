"""Send requests of honest clients to a server of zoo-serve while others do what harms a server.

    python hostile.py http://127.0.0.1:8000 images/ --honest 8 --requests 2000 --hostile 200

Hostile clients send headers or bodies slowly, connect and say nothing, close their half, leave early, send huge
headers, huge pictures, or what is no image. They run in processes of their own; on Linux each has an address of its
own, 127.1.0.1 and so on, where the server is at 127.0.0.1. First the honest clients alone are measured, then with the
others. Exit status: 0 nothing of the honest clients was lost and their slowest hundredth takes at most three times as
long; 1 otherwise.
"""

from __future__ import annotations

import argparse
import http.client
import io
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing import Queue, get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

from load import SUFFIXES
from PIL import Image

POST = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"

#: Hostile clients in one process.
TOGETHER = 50

#: Connections that one of them opens at once to say nothing.
FLOOD = 20

#: The slowest share that is compared, and how many times as long it may take.
SHARE, FACTOR = 0.99, 3.0


class Hostile:
    """What hostile clients do, one after another, until they are told to stop.

    Args:
        host: of the server.
        port: likewise.
        image: the content of an image file.
        megapixels: of huge pictures.
        pause_s: seconds between two attempts of one client.
    """

    def __init__(self, host: str, port: int, image: bytes, megapixels: float, pause_s: float) -> None:
        self.address, self.image, self.pause_s = (host, port), image, pause_s
        self.local = threading.local()
        side, file = round((megapixels * 1e6) ** 0.5), io.BytesIO()
        noise = Image.effect_noise((side // 8, side // 8), 60).resize((side, side))
        noise.convert("RGB").save(file, "JPEG", quality=60)
        self.huge = file.getvalue()
        self.stop = threading.Event()
        self.done: Counter[str] = Counter()
        self.ways: list[Callable[[], None]] = [self.slow_head, self.slow_body, self.half_closed, self.left_early]
        self.ways += [self.large_head, self.no_image, self.large, self.silent]

    def run(self, number: int) -> None:
        """Do one kind of harm again and again."""
        way = self.ways[number % len(self.ways)]
        # Linux answers at each address of 127.0.0.0/8.
        own = sys.platform == "linux" and self.address[0] == "127.0.0.1"
        self.local.source = (f"127.1.{number // 250}.{number % 250 + 1}", 0) if own else None
        while not self.stop.is_set():
            with suppress(OSError):  # refused and cut off, as it should be
                way()
            self.done[way.__name__] += 1

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(self.address, timeout=60, source_address=self.local.source)

    def slow_head(self) -> None:
        """Send a byte of the headers now and then."""
        with self.connect() as connection:
            for byte in POST.format(len(self.image)).encode():
                connection.sendall(bytes([byte]))
                if self.stop.wait(0.2):
                    return

    def slow_body(self) -> None:
        """Send a byte of the body now and then."""
        with self.connect() as connection:
            connection.sendall(POST.format(len(self.image)).encode())
            for byte in self.image[:200]:
                connection.sendall(bytes([byte]))
                if self.stop.wait(0.2):
                    return

    def half_closed(self) -> None:
        """Close one half after the request, and read the answer."""
        with self.connect() as connection:
            connection.sendall(POST.format(len(self.image)).encode() + self.image)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
            self.stop.wait(self.pause_s)

    def left_early(self) -> None:
        """Leave after the request."""
        with self.connect() as connection:
            connection.sendall(POST.format(len(self.image)).encode() + self.image)
        self.stop.wait(self.pause_s)

    def large_head(self) -> None:
        """Send a megabyte of headers."""
        with self.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + bytes(1_000_000))
        self.stop.wait(self.pause_s)

    def no_image(self) -> None:
        """Send what is no image."""
        with self.connect() as connection:
            connection.sendall(POST.format(1000).encode() + bytes(1000))
            connection.recv(65536)
        self.stop.wait(self.pause_s)

    def large(self) -> None:
        """Send a huge picture."""
        with self.connect() as connection:
            connection.sendall(POST.format(len(self.huge)).encode() + self.huge)
            connection.recv(65536)
        self.stop.wait(self.pause_s)

    def silent(self) -> None:
        """Connect many times, and say nothing."""
        with ExitStack() as connections:
            for _ in range(FLOOD):
                connections.enter_context(self.connect())
            self.stop.wait(self.pause_s)


def attack(hostile: tuple[str, int, bytes, float, float], first: int, count: int, stop: Event, done: Queue) -> None:
    """Run hostile clients until they are told to stop, and report what they did."""
    clients = Hostile(*hostile)
    threads = [threading.Thread(target=clients.run, args=(first + number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    stop.wait()
    clients.stop.set()
    done.put(clients.done)


def honest(url: str, images: list[bytes], requests: int, clients: int) -> tuple[list[float], Counter[str]]:
    """Send requests one after another in each client; return the seconds of each, and how they ended."""
    parts, seconds, outcomes = urlsplit(url), [], Counter()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        for turn in range(requests // clients):
            begin = time.perf_counter()
            try:
                image = images[(number + turn) % len(images)]
                connection.request("POST", "/predict", image, {"Content-Type": "application/octet-stream"})
                response = connection.getresponse()
                response.read()
                outcomes[str(response.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                outcomes[type(error).__name__] += 1
                connection.close()
            seconds.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(seconds), outcomes


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("images", help="a folder of images")
    for option, default in (("--honest", 8), ("--requests", 2000), ("--hostile", 200)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two attempts of a hostile client")
    parser.add_argument("--megapixels", type=float, default=88.0, help="of huge pictures")
    options = parser.parse_args()
    files = sorted(path for path in Path(options.images).iterdir() if path.suffix.lower() in SUFFIXES)
    images, parts = [path.read_bytes() for path in files], urlsplit(options.url)
    hostile = (parts.hostname or "127.0.0.1", parts.port or 80, images[0], options.megapixels, options.pause)
    processes = get_context("spawn")
    stop, done = processes.Event(), processes.Queue()
    counts = [min(TOGETHER, options.hostile - first) for first in range(0, options.hostile, TOGETHER)]
    attackers = [
        processes.Process(target=attack, args=(hostile, TOGETHER * place, count, stop, done))
        for place, count in enumerate(counts)
    ]
    alone, outcomes_alone = honest(options.url, images, options.requests, options.honest)
    for attacker in attackers:
        attacker.start()
    time.sleep(5.0)  # until they have drawn their pictures
    beside, outcomes = honest(options.url, images, options.requests, options.honest)
    stop.set()
    harm = sum((done.get(timeout=60) for _ in attackers), Counter())
    for attacker in attackers:
        attacker.join(60)
    place = int(SHARE * (len(alone) - 1))
    for title, seconds, ends in (("alone ", alone, outcomes_alone), ("beside", beside, outcomes)):
        median, slowest = 1000 * seconds[len(seconds) // 2], 1000 * seconds[place]
        print(f"{title}  {dict(ends)}, median {median:.1f} ms, p99 {slowest:.1f} ms")
    print(f"hostile {dict(harm)}")
    lost = outcomes.keys() != {"200"} or outcomes_alone.keys() != {"200"}
    return int(lost or beside[place] > FACTOR * alone[place])


if __name__ == "__main__":
    sys.exit(main())
