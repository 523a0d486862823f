"""Downloads: complete and verified, or an error in bounded time and no file."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zoo.core import download
from zoo.core.download import RemoteFile, fetch
from zoo.core.errors import DownloadError

CONTENT = bytes(range(256)) * 40
FETCH = """
import sys
from pathlib import Path
from zoo.core.download import RemoteFile, fetch
fetch(RemoteFile([sys.argv[1]], sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture
def slow_server():
    """Serve CONTENT in parts, each after a pause: its address, the pauses to set, and the number of requests."""

    class Answer(BaseHTTPRequestHandler):
        pause, length, requests = 0.0, len(CONTENT), 0

        def do_GET(self):
            Answer.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", str(self.length))
            self.end_headers()
            for start in range(0, len(CONTENT), 1024):
                time.sleep(self.pause)
                try:
                    self.wfile.write(CONTENT[start : start + 1024])
                except OSError:  # the client is gone
                    return

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}/file.bin", Answer
        web.shutdown()


def remote(url, content=CONTENT):
    return RemoteFile([url], f"sha256:{hashlib.sha256(content).hexdigest()}")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_leaves_the_file_and_nothing_else(slow_server, tmp_path):
    target = fetch(remote(slow_server[0]), tmp_path / "file.bin")
    assert target.read_bytes() == CONTENT
    assert names(tmp_path) == ["file.bin"]


def test_a_file_that_is_there_is_not_downloaded(slow_server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    fetch(remote(slow_server[0]), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert slow_server[1].requests == 0


@pytest.mark.parametrize(
    ("settings", "answer", "message"),
    [
        ({"SLOWEST": 1_000_000, "TIMEOUT": 0.2}, {"pause": 0.05}, "slower than 1,000,000 bytes a second"),
        ({"TIMEOUT": 0.2}, {"pause": 5}, "timed out"),
        ({}, {"length": len(CONTENT) + 1}, "it ended after 10,240 of 10,241 bytes"),
    ],
)
def test_a_server_that_is_slow_silent_or_cut_off_is_an_error(
    slow_server, tmp_path, monkeypatch, settings, answer, message
):
    url, handler = slow_server
    for name, value in settings.items():
        monkeypatch.setattr(download, name, value)
    for name, value in answer.items():
        monkeypatch.setattr(handler, name, value)
    with pytest.raises(DownloadError, match=message):
        fetch(remote(url), tmp_path / "file.bin")
    assert names(tmp_path) == []


def test_a_byte_now_and_then_before_the_content_is_an_error_too(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as connection, contextlib.suppress(OSError):
                for _ in range(200):
                    connection.sendall(b"H")
                    time.sleep(0.1)

        threading.Thread(target=answer, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(DownloadError, match=r"timed out: nothing came in 0\.3 seconds"):
            fetch(remote(f"http://127.0.0.1:{server.getsockname()[1]}/file.bin"), tmp_path / "file.bin")
        assert time.monotonic() - begun < 10
    assert names(tmp_path) == []


def test_the_next_address_is_tried_when_one_fails(slow_server, tmp_path):
    both = RemoteFile(["http://127.0.0.1:9/file.bin", slow_server[0]], remote("").checksum)
    assert fetch(both, tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_file_with_another_checksum_is_removed(slow_server, tmp_path):
    with pytest.raises(DownloadError, match=r"file\.bin: the file does not match its checksum sha256:"):
        fetch(remote(slow_server[0], b"other"), tmp_path / "file.bin")
    assert names(tmp_path) == []


def start(url, target):
    command = [sys.executable, "-c", FETCH, url, remote(url).checksum, target]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_of_two_processes_one_downloads_and_the_other_waits(slow_server, tmp_path, monkeypatch):
    url, handler = slow_server
    monkeypatch.setattr(handler, "pause", 0.3)
    first = start(url, tmp_path / "file.bin")
    wait_for(tmp_path / ".file.bin.part")
    second = start(url, tmp_path / "file.bin")
    outputs = [process.communicate(timeout=60)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert handler.requests == 1
    assert names(tmp_path) == ["file.bin"]


def test_a_killed_download_leaves_nothing_that_the_next_one_does_not_remove(slow_server, tmp_path, monkeypatch):
    url, handler = slow_server
    monkeypatch.setattr(handler, "pause", 0.5)
    process = start(url, tmp_path / "file.bin")
    wait_for(tmp_path / ".file.bin.part")
    process.kill()
    process.communicate()
    assert not (tmp_path / "file.bin").exists()
    monkeypatch.setattr(handler, "pause", 0)
    fetch(remote(url), tmp_path / "file.bin")
    assert names(tmp_path) == ["file.bin"]
