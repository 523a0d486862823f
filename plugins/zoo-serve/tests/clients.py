"""A server process, and the requests that tests send to it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUNDARY = "----boundary"


class Server:
    """``python -m zoo_serve`` on a free port; a context, after which it does not run."""

    def __init__(self, model: Path | list[object], *options: str) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed in __exit__
        words = [
            sys.executable,
            "-m",
            "zoo_serve",
            *map(str, [model] if isinstance(model, Path) else model),
            "--port",
            "0",
            "--threads",
            "1",
            *options,
        ]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __enter__(self) -> Server:
        line = self.process.stdout.readline()
        while line and not line.startswith("serving"):  # a line for each model
            line = self.process.stdout.readline()
        assert line.startswith("serving at http://127.0.0.1:"), self.errors()
        self.url = line.split()[2]
        self.port = int(self.url.rpartition(":")[2])
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def errors(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def ask(self, path, method="GET", body=None, headers=None):
        """Return ``(status, headers, content)`` of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def predict(self, content: bytes, top_k=5, kind="application/octet-stream"):
        """Return ``(status, answer)`` for a body."""
        status, _, body = self.ask(f"/predict?top_k={top_k}", "POST", content, {"Content-Type": kind})
        return status, json.loads(body)

    def upload(self, field: str, content: bytes, filename: str | None = "photo.png"):
        """Return ``(status, answer)`` for a multipart form with one field."""
        return self.predict(form(field, content, filename), kind=f"multipart/form-data; boundary={BOUNDARY}")

    def half(self, content: bytes) -> socket.socket:
        """Begin to send an image, and return the connection when half of it is sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[: len(content) // 2])
        time.sleep(0.2)  # until it is there
        return connection

    def metric(self, name: str) -> float:
        """Return one figure of /metrics, 0 where it is not there yet."""
        lines = self.ask("/metrics")[2].decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), 0.0)


def form(field: str, content: bytes, filename: str | None) -> bytes:
    """Return the body of a multipart form."""
    name = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"{name}\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def rest(connection: socket.socket) -> tuple[int, bytes]:
    """Read what a connection still brings: the status and everything."""
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
        if b"\r\n\r\n" in answer and answer.endswith(b"}"):
            break
    connection.close()
    return int(answer.split()[1]), answer


def until(is_true, seconds: float = 20.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.02)


def raw(port: int, content: bytes) -> tuple[int, bytes]:
    """Send bytes over a connection of their own, and return the status and everything that comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(content)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return int(answer.split()[1]), answer
