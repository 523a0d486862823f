"""Pictures at addresses: limits of size and time, and one sentence for whatever fails."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from zoo.core.errors import ImageError
from zoo.images import address
from zoo.images.address import read_address


def test_a_file_arrives_as_it_is(server):
    folder, url = server
    (folder / "a b.png").write_bytes(bytes(range(256)))
    assert read_address(f"{url}a b.png") == bytes(range(256))
    assert read_address(f"{url}a%20b.png?x=1#y") == bytes(range(256))


def test_a_file_over_the_limit_is_not_loaded(server, monkeypatch):
    folder, url = server
    (folder / "large.png").write_bytes(bytes(1001))
    monkeypatch.setattr(address, "MAX_BYTES", 1000)
    with pytest.raises(ImageError, match=r"large.png: more than 1,000 bytes"):
        read_address(f"{url}large.png")


@pytest.fixture
def answer():
    """Return the address of a server that sends some bytes, a part every 50 ms, and then is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(parts):
            def run():
                connection, _ = listener.accept()
                with connection, suppress(OSError):  # the other side may have gone
                    connection.recv(1000)
                    for part in parts:
                        connection.sendall(part)
                        ended.wait(0.05)
                    ended.wait(10)

            thread.append(threading.Thread(target=run))
            thread[0].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"

        ended, thread = threading.Event(), []
        yield serve
        ended.set()
        thread[0].join()


def test_a_silent_server_is_given_up(answer, monkeypatch):
    monkeypatch.setattr(address, "SILENCE", 0.2)
    with pytest.raises(ImageError, match=r"x.png: cannot be loaded: timed out"):
        read_address(answer([]))


def test_a_slow_server_is_given_up(answer, monkeypatch):
    monkeypatch.setattr(address, "DEADLINE", 0.3)
    with pytest.raises(ImageError, match=r"x.png: not complete after 0.3 s"):
        read_address(answer([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 20]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("http://127.0.0.1:1/x.png", "cannot be loaded: .*refused"),
        ("http://[bad/x.png", "cannot be loaded: Invalid IPv6 URL"),
        ("http://127.0.0.1:1a/", "cannot be loaded: nonnumeric port"),
        ("http://", "cannot be loaded: no host given"),
    ],
)
def test_an_address_that_cannot_be_loaded_is_named(name, message):
    with pytest.raises(ImageError, match=message) as error:
        read_address(name)
    assert str(error.value).startswith(f"{name}: ")
