"""Several images in one request, several models in one server, and model files that are replaced."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from clients import BOUNDARY, Server, until
from models import write_model
from test_refusals import png
from zoo_serve.cli import main
from zoo_serve.options import Options

PNG = {"Content-Type": "image/png"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def several(*contents, field="image"):
    """Return the body of a form with several files."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="x.png"\r\n\r\n'
    return b"".join(head.encode() + content + b"\r\n" for content in contents) + f"--{BOUNDARY}--\r\n".encode()


def batch(server, body, path="/predict/batch?top_k=1"):
    status, _, content = server.ask(path, "POST", body, FORM)
    return status, json.loads(content)


def test_several_images_are_answered_in_order_and_errors_are_each_their_own(server):
    images = [png(colour=(255, 0, 0)), b"no image", png(20, 9, colour=(0, 0, 255)), b"", png(colour=(0, 255, 0))]
    status, answer = batch(server, several(*images))
    assert status == 200
    assert [one["predictions"][0]["class"] if "predictions" in one else one["status"] for one in answer["answers"]] == [
        "red", 422, "blue", 400, "green",
    ]  # fmt: skip
    assert "not an image that can be read" in answer["answers"][1]["error"]
    assert answer["milliseconds"] > 0


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (several(png(), field="photo"), 400, "there is no field 'image'"),
        (several(*[png()] * 65), 400, "Too many files"),
        (several(bytes(3_000_000)), 413, "allowed are 2,000,000 bytes"),
    ],
    ids=["field", "many", "large"],
)
def test_a_wrong_request_with_several_images_is_refused(server, body, status, message):
    found, answer = batch(server, body)
    assert (found, message in answer["error"]) == (status, True)


def test_a_body_that_is_no_form_is_refused(server):
    status, _, content = server.ask("/predict/batch", "POST", png(), PNG)
    assert status == 415
    assert "up to 64 files in the field 'image'" in json.loads(content)["error"]


def test_models_answer_by_their_names_and_the_first_by_none(model, tmp_path):
    other = write_model(tmp_path / "other.onnx", classes=("rouge", "vert"))
    with Server([model, f"francais={other}"]) as server:
        for path, name in (("", "red"), ("/models/colours", "red"), ("/models/francais", "rouge")):
            [answer] = batch(server, several(png()), f"{path}/predict/batch")[1]["answers"]
            assert answer["predictions"][0]["class"] == name
        status, _, content = server.ask("/models/francais/predict?top_k=1", "POST", png(), PNG)
        assert (status, json.loads(content)["predictions"][0]["class"]) == (200, "rouge")
        assert [one["name"] for one in json.loads(server.ask("/models")[2])] == ["colours", "francais"]
        assert json.loads(server.ask("/models/francais")[2])["classes"] == ["rouge", "vert"]
        assert json.loads(server.ask("/model")[2])["name"] == "colours"
        status, _, content = server.ask("/models/none/predict", "POST", png(), PNG)
        assert (status, json.loads(content)["error"]) == (404, "there is no model 'none'; there are colours, francais")
        assert server.stop() == 143
        assert server.errors() == ""


def test_a_model_file_that_is_replaced_is_loaded_and_a_broken_one_refused(tmp_path):
    path = write_model(tmp_path / "model.onnx")
    new = write_model(tmp_path / "new.onnx", classes=("rouge", "vert", "bleu"))
    with Server(path, "--reload_s", "0.1") as server:
        assert server.predict(png())[1]["predictions"][0]["class"] == "red"
        shutil.copy(new, tmp_path / "copy")
        os.replace(tmp_path / "copy", path)
        until(lambda: server.predict(png())[1]["predictions"][0]["class"] == "rouge")
        assert server.metric('zoo_serve_reloads_total{outcome="loaded"}') == 1
        (tmp_path / "copy").write_bytes(b"no model")
        os.replace(tmp_path / "copy", path)
        until(lambda: server.metric('zoo_serve_reloads_total{outcome="refused"}') == 1)
        assert server.predict(png())[1]["predictions"][0]["class"] == "rouge"
        path.unlink()
        assert server.predict(png())[0] == 200
        assert server.stop() == 143
        assert "model.onnx was replaced, and is refused" in server.errors()
        assert server.errors().count("\n") == 1


def test_two_models_of_one_name_are_named(model, capsys):
    assert main([str(model), f"colours={model}", "--port", "0"]) == 2
    assert f"{model} and {model} are both called 'colours'; name them: NAME=FILE" in capsys.readouterr().err


def test_a_name_is_made_of_the_file():
    assert list(Options(("a/my model.onnx", "b=c.onnx", "x/y=z.onnx")).files.items()) == [
        ("my-model", "a/my model.onnx"),
        ("b", "c.onnx"),
        ("y-z", "x/y=z.onnx"),
    ]


def test_a_provider_that_is_not_there_is_one_line(model, capsys):
    assert main([str(model), "--port", "0", "--provider", "warp"]) == 2
    err = capsys.readouterr().err
    assert "--provider is 'warp'; available here are" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cors", "example.org"], "--cors is 'example.org'; allowed is * or an origin"),
        (["--head_timeout_s", "0"], "--head_timeout_s is 0; allowed is more than 0"),
        (["--full_mp", "0"], "--full_mp is 0; allowed is 1 to 10000"),
        (["--max_bodies_mb", "1"], "--max_bodies_mb is 1; allowed is --max_mb (10) or more"),
        (["--reload_s", "-1"], "--reload_s is -1; allowed is 0 to 86400"),
    ],
)
def test_a_wrong_option_of_the_server_is_one_line(capsys, words, message):
    assert main(["m.onnx", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
