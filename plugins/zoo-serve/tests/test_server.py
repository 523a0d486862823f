"""The command: wrong options, files and ports are one line; signals let running requests finish."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import pytest
from clients import Server, rest
from models import write_model
from test_refusals import png
from zoo_serve.cli import main


def one_line(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "is not an ONNX file"), (b"words", "is not an ONNX file")],
    ids=["missing", "empty", "words"],
)
def test_a_bad_model_file_is_one_line(tmp_path, capsys, content, message):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path), "--port", "0"]) == 2
    err = one_line(capsys)
    assert message in err
    assert str(path) in err


def test_a_model_that_zoo_did_not_write_is_one_line(tmp_path, capsys):
    path = write_model(tmp_path / "model.onnx", versions=None, input_spec={})
    assert main([str(path), "--port", "0"]) == 2
    assert "input_spec.channels is missing in its metadata" in one_line(capsys)


def test_a_taken_port_is_one_line(model, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main([str(model), "--port", str(port)]) == 2
    assert f"cannot listen at 127.0.0.1 port {port}: Address already in use" in one_line(capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: MODEL; see 'zoo-serve --help'"),
        (["m.onnx", "--port", "99999"], "--port is 99999; allowed is 0 to 65535"),
        (["m.onnx", "--port", "http"], "invalid int value: 'http'"),
        (["m.onnx", "--max_batch", "0"], "--max_batch is 0; allowed is 1 or more"),
        (["m.onnx", "--threads", "-1"], "--threads is -1; allowed is 1 or more"),
        (["m.onnx", "--max_queue", "0"], "--max_queue is 0; allowed is 1 or more"),
        (["m.onnx", "--max_mb", "nan"], "--max_mb is nan; allowed is more than 0"),
        (["m.onnx", "--timeout_s", "0"], "--timeout_s is 0; allowed is more than 0"),
        (["m.onnx", "--max_wait_ms", "-1"], "--max_wait_ms is -1; allowed is 0 to 10000"),
        (["m.onnx", "--max_bach", "8"], "unrecognized arguments: --max_bach 8"),
        (["m.onnx", "--host", "no-such-host.invalid"], "cannot listen at no-such-host.invalid port 8000"),
    ],
)
def test_a_wrong_option_is_one_line(capsys, words, message):
    assert main(words) == 2
    assert message in one_line(capsys)


def test_help_shows_every_option(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    for option in ("host", "port", "threads", "max_batch", "max_wait_ms", "max_mb", "max_queue", "timeout_s"):
        assert f"--{option}" in shown


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_running_requests_finish(model, number, status):
    image = png(100, 100)
    with Server(model) as server:
        connection = server.half(image)
        server.process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=0.5)
        with pytest.raises(ConnectionRefusedError):  # nothing new is taken
            socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(image[len(image) // 2 :])
        found, answer = rest(connection)
        assert found == 200
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"][0]["class"] == "red"
        assert server.process.wait(timeout=20) == status
        assert server.errors() == ""


def test_a_second_interrupt_leaves_at_once(model):
    with Server(model) as server:
        connection = server.half(png(100, 100))
        server.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=0.5)
        assert server.stop(signal.SIGINT) == 130
        connection.close()


def test_the_server_needs_no_torch(model):
    code = "import sys; from zoo_serve import app, cli; assert 'torch' not in sys.modules and 'zoo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
