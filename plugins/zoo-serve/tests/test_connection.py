"""Connections: heads that do not come or are too large, half-closed ones, clients that left, HEAD."""

from __future__ import annotations

import io
import json
import socket
import time

import pytest
from clients import Server, raw, rest, until
from test_refusals import png

POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"


def body(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_headers_that_do_not_arrive_are_given_up(model):
    with Server(model, "--head_timeout_s", "0.3") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            status, answer = rest(connection)
        assert (status, body(answer)["error"]) == (408, "the headers did not arrive in 0.3 s")
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as silent:
            assert silent.recv(100).startswith(b"HTTP/1.1 408 ")
        assert server.predict(png())[0] == 200


def test_a_second_request_of_a_connection_has_its_time_too(model):
    with Server(model, "--head_timeout_s", "0.5") as server:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert rest_of_one(connection).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.7)  # it may be silent between requests
        connection.sendall(b"GET /he")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
        connection.close()


def rest_of_one(connection):
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(1000)
    return answer


@pytest.mark.parametrize("size", [50_000, 200_000])
def test_large_headers_are_refused(server, size):
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * size + b"\r\n\r\n"
    status, answer = raw(server.port, head)
    assert (status, body(answer)["error"]) == (431, "the headers are larger than 32,768 bytes")


def test_what_is_no_http_is_refused_in_json(server):
    status, answer = raw(server.port, b"\x16\x03\x01 hello\r\n\r\n")
    assert status == 400
    assert "this is no valid HTTP" in body(answer)["error"]


@pytest.mark.parametrize("size", [(8, 8), (2000, 1500)])
def test_a_client_that_closed_its_half_is_answered(server, size):
    image = png(*size)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(POST % len(image) + image)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    last = answer[answer.rindex(b"HTTP/1.1 ") :]
    assert last.startswith(b"HTTP/1.1 200 ")
    assert body(last)["predictions"][0]["class"] == "red"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_images_of_clients_that_left_are_not_computed(slow_model, how):
    with Server(slow_model, "--max_batch", "1") as server:
        connections = []
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            connection.sendall(POST % len(png()) + png())
            connections.append(connection)
        until(lambda: server.metric("zoo_serve_queue_length") == 3)
        for connection in connections:
            if how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.close()
        until(lambda: server.metric("zoo_serve_queue_length") == 0, 3)
        assert server.metric('zoo_serve_requests_total{status="499"}') == 3
        assert server.predict(png())[0] == 200
        assert server.metric("zoo_serve_batch_size_count") <= 2  # the first of the three may have begun
        assert server.stop() == 143
        assert server.errors() == ""


def test_too_many_connections_without_a_request_end_the_oldest_of_the_address_that_has_most(model):
    with Server(model, "--max_incomplete", "4") as server:
        address = ("127.0.0.1", server.port)
        other = socket.create_connection(address, timeout=20, source_address=("127.0.0.2", 0))
        silent = [socket.create_connection(address, timeout=20) for _ in range(4)]
        status, answer = rest(silent[0])
        assert (status, "too many connections" in body(answer)["error"]) == (503, True)
        for connection in (other, *silent[1:]):
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        assert server.predict(png())[0] == 200  # a new one ends another of the same address
        other.close()
        for connection in silent[1:]:
            connection.close()


def test_the_oldest_body_that_is_still_coming_ends_where_there_are_too_many(model):
    with Server(model, "--max_incomplete", "2") as server:
        bodies = [server.half(png()) for _ in range(3)]
        assert bodies[0].recv(100) == b""
        until(lambda: server.metric('zoo_serve_requests_total{status="499"}') >= 1)
        for connection in bodies:
            connection.close()


@pytest.mark.parametrize("path", ["/", "/model", "/health", "/metrics", "/openapi.json"])
def test_head_is_get_without_a_body(server, path):
    status, headers, content = server.ask(path, "HEAD")
    shown, of_get, text = server.ask(path)
    assert (status, content) == (shown, b"")
    assert headers["content-type"] == of_get["content-type"]
    if path != "/metrics":
        assert int(headers["content-length"]) == len(text)


def test_each_request_has_a_line_in_the_access_log(model, tmp_path):
    with Server(model, "--access_log", str(tmp_path / "access.log")) as server:
        server.predict(png())
        server.predict(b"no image")
        raw(server.port, b"GET /no%0Awhere?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert server.stop() == 143
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert [line.split(" ", 2)[2].rsplit(" ", 2)[0] for line in lines] == [
        '"POST /predict?top_k=5" 200',
        '"POST /predict?top_k=5" 422',
        '"GET /no%0Awhere?a=b" 404',
    ]
    assert all(line.split()[1] == "127.0.0.1" for line in lines)


def test_pages_of_an_allowed_origin_may_ask(model):
    with Server(model, "--cors", "https://example.org", "--cors", "http://localhost:3000") as server:
        allowed = server.ask("/health", headers={"Origin": "https://example.org"})[1]
        other = server.ask("/health", headers={"Origin": "https://other.org"})[1]
        asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
        assert server.ask("/predict", "OPTIONS", headers=asked)[0] == 200
    assert allowed["access-control-allow-origin"] == "https://example.org"
    assert other["access-control-allow-origin"] is None


def test_without_the_option_no_page_of_another_origin_may_ask(server):
    assert server.ask("/health", headers={"Origin": "https://example.org"})[1]["access-control-allow-origin"] is None


def test_a_picture_is_still_read_while_large_ones_are(server):
    assert server.predict(io.BytesIO(png(60, 60)).getvalue())[0] == 200
