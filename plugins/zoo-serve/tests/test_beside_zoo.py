"""Beside zoo: its command, and the same answers. tox runs this file in the environment of zoo."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("zoo", reason="zoo-classifiers is not installed beside it")


def test_serve_is_a_command_of_zoo(model):
    command = [sys.executable, "-m", "zoo", "serve"]
    refused = subprocess.run([*command, str(model), "--port", "99999"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--port is 99999" in refused.stderr
    assert refused.stderr.count("\n") == 1
    help_text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert help_text.startswith("usage: zoo serve ")


def test_answers_are_those_of_zoo_predict(server, model, images, tmp_path):
    output = tmp_path / "expected.json"
    words = ["predict", model, *images, "--top_k", "5", "--output", output]
    subprocess.run([sys.executable, "-m", "zoo", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    for row in json.loads(output.read_text(encoding="utf-8")):
        with open(row["file"], "rb") as file:
            _, answer = server.predict(file.read())
        expected = [(one["class"], one["probability"]) for one in row["predictions"]]
        assert [one["class"] for one in answer["predictions"]] == [name for name, _ in expected]
        assert [one["probability"] for one in answer["predictions"]] == pytest.approx(
            [p for _, p in expected], abs=1e-6
        )
