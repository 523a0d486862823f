"""Bad uploads get a 4xx and one line, limits hold, and the server lives on."""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from clients import BOUNDARY, Server, form, rest, until
from PIL import Image

FORM = f"multipart/form-data; boundary={BOUNDARY}"


def png(width=8, height=8, colour=(255, 0, 0)):
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def bomb(width, height):
    """Return a small PNG file whose header announces many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000), 9)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def eps():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "EPS")
    return file.getvalue()


RAW = "application/octet-stream"

#: A form of 99 files, without its last line.
FILES = form("a", b"", "a").rpartition(f"--{BOUNDARY}".encode())[0] * 99

#: Name, body, content type, expected status, and a part of the message.
BAD = {
    "text": (b"these are words", RAW, 422, "not an image that can be read"),
    "text that says it is a JPEG": (b"these are words", "image/jpeg", 422, "not an image that can be read"),
    "empty": (b"", RAW, 400, "0 bytes"),
    "truncated": (png(200, 200, (1, 2, 3))[:150], RAW, 422, "not a readable image"),
    "truncated in its header": (png()[:20], RAW, 422, "not an image that can be read"),
    "decompression bomb": (bomb(20_000, 20_000), RAW, 422, "more pixels than the 89,478,485 that are read"),
    "too many pixels": (bomb(10_000, 10_000), RAW, 422, "10000x10000 pixels; at most 89,478,485 are read"),
    "long and thin": (png(30_000, 1), RAW, 200, ""),
    "too long and thin": (png(1_500_000, 1), RAW, 422, "too long and thin"),
    "PostScript, which would start another program": (eps(), RAW, 422, "not an image that can be read"),
    "JSON": (b"{}", "application/json", 415, "the body is application/json; send multipart/form-data"),
    "no type": (png(), "", 415, "the body is of no stated type"),
    "form with a wrong field": (form("photo", png(), "p.png"), FORM, 400, "no field 'image' (found: 'photo')"),
    "form with an empty file": (form("image", b"", ""), FORM, 400, "0 bytes"),
    "form with a text": (form("image", b"words", None), FORM, 400, "is a text, not a file"),
    "form without its end": (form("image", png(), "p.png")[:-20], FORM, 400, "no field 'image'"),
    "form without a boundary": (b"--x", "multipart/form-data", 400, "Missing boundary"),
    "form that is none": (b"\x00" * 100, FORM, 400, "not valid multipart/form-data"),
    "form with very many files": (FILES, FORM, 400, "Too many files"),
    "3 MB": (bytes(3_000_000), RAW, 413, "3,000,000 bytes; allowed are 2,000,000 bytes"),
    "100 MB": (bytes(100_000_000), RAW, 413, "100,000,000 bytes; allowed are 2,000,000 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_upload_is_one_line_and_the_server_lives_on(server, name):
    body, kind, expected, message = BAD[name]
    status, answer = server.predict(body, kind=kind)
    assert status == expected
    if status != 200:
        assert message in answer["error"]
        assert "\n" not in answer["error"]
    assert server.predict(png())[0] == 200


def test_no_damage_to_a_file_is_the_servers_fault(server):
    chance = random.Random(0)
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(file, kind, exif=exif)
        for _ in range(60):
            content = bytearray(file.getvalue())
            content[chance.randrange(min(len(content), 120))] = chance.randrange(256)
            assert server.predict(bytes(content))[0] in (200, 422)


@pytest.mark.parametrize("top_k", ["0", "-1", "many", "", "1.5"])
def test_a_wrong_top_k_is_refused(server, top_k):
    status, answer = server.predict(png(), top_k)
    assert status == 422
    assert answer["error"].startswith("top_k: ")
    assert answer["error"].endswith(f"received {top_k!r}")


@pytest.mark.parametrize(("path", "method", "status"), [("/predict", "GET", 405), ("/nowhere", "GET", 404)])
def test_wrong_addresses_are_one_line_too(server, path, method, status):
    found, _, body = server.ask(path, method)
    assert found == status
    assert set(json.loads(body)) == {"error"}


def test_a_body_of_unstated_size_is_cut_off_at_the_limit(server):
    headers = {"Content-Type": "image/png"}
    status, _, body = server.ask("/predict", "POST", (bytes(100_000) for _ in range(100)), headers)
    assert status == 413
    assert "the body is larger; allowed are 2,000,000 bytes" in json.loads(body)["error"]


def test_a_large_body_is_refused_before_it_is_sent(server):
    head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        begin = time.monotonic()
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        assert time.monotonic() - begin < 2


def test_a_client_that_leaves_in_the_middle_harms_nobody(server):
    before = server.metric('zoo_serve_requests_total{status="499"}')
    server.half(png(300, 300)).close()
    time.sleep(0.2)
    assert server.metric('zoo_serve_requests_total{status="499"}') == before + 1
    assert server.metric("zoo_serve_queue_length") == 0
    assert server.predict(png())[0] == 200


def test_more_requests_than_places_are_told_to_come_again(slow_model):
    with Server(slow_model, "--max_queue", "2") as server, ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(server.predict, png()) for _ in range(2)]
        until(lambda: server.metric("zoo_serve_queue_length") == 2)
        status, headers, body = server.ask("/predict", "POST", png(), {"Content-Type": "image/png"})
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "2 requests are being answered" in json.loads(body)["error"]
        assert server.ask("/health")[0] == 200
        assert server.ask("/ready")[::2] == (503, b'{"status":"busy"}')
        assert [one.result()[0] for one in waiting] == [200, 200]
        assert server.ask("/ready")[::2] == (200, b'{"status":"ready"}')


def test_the_address_that_has_most_places_gives_one_to_another(slow_model):
    with Server(slow_model, "--max_queue", "3") as server, ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(server.predict, png()) for _ in range(3)]
        until(lambda: server.metric("zoo_serve_queue_length") == 3)
        other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20, source_address=("127.0.0.2", 0))
        other.request("POST", "/predict", png(), {"Content-Type": "image/png"})
        assert other.getresponse().status == 200
        other.close()
        answers = [one.result() for one in waiting]
        assert sorted(status for status, _ in answers) == [200, 200, 503]
        assert any("to another address" in answer.get("error", "") for _, answer in answers), answers
        until(lambda: server.metric("zoo_serve_queue_length") == 0)


def test_bodies_that_arrive_slowly_take_no_place(model):
    with Server(model, "--max_queue", "2") as server:
        waiting = [server.half(png(100, 100)) for _ in range(5)]
        assert server.predict(png())[0] == 200
        for connection in waiting:
            connection.sendall(png(100, 100)[len(png(100, 100)) // 2 :])
            assert rest(connection)[0] == 200


def test_bodies_in_memory_are_bounded_all_together(model):
    with Server(model, "--max_mb", "1", "--max_bodies_mb", "1") as server:
        waiting = server.half(bytes(1_000_000))
        status, headers, body = server.ask("/predict", "POST", bytes(900_000), {"Content-Type": "image/png"})
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "1,000,000 bytes are being received" in json.loads(body)["error"]
        waiting.close()
        time.sleep(0.2)
        assert server.predict(png())[0] == 200


def test_a_body_that_does_not_arrive_is_given_up(model):
    with Server(model, "--timeout_s", "0.3") as server:
        status, answer = rest(server.half(png(100, 100)))
        assert status == 408
        assert b"the body did not arrive in 0.3 s" in answer
        assert server.metric("zoo_serve_queue_length") == 0


def test_an_answer_that_takes_too_long_is_given_up_and_what_waits_behind_it_too(slow_model):
    with Server(slow_model, "--timeout_s", "0.3", "--max_batch", "1") as server, ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(server.predict, [png(), png(9, 9), png(10, 10)]))
        assert [status for status, _ in answers] == [504] * 3
        assert all("0.3 s, the server's --timeout_s" in answer["error"] for _, answer in answers)
        assert server.ask("/health")[0] == 200
        batches = server.metric("zoo_serve_batch_size_count")
        assert batches == 1  # the others are dropped, not computed for nobody
        assert server.stop() == 143
        assert server.errors() == ""
