"""Model files, images, and real servers in processes of their own."""

from __future__ import annotations

import pytest
from clients import Server
from models import write_model
from PIL import Image
from zoo_runtime import Classifier


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "colours.onnx")


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory):
    """Needs a second or so for an image."""
    return write_model(tmp_path_factory.mktemp("model") / "slow.onnx", rounds=3000)


@pytest.fixture(scope="session")
def classifier(model):
    return Classifier(model, threads=1)


@pytest.fixture(scope="session")
def server(model):
    with Server(model, "--max_mb", "2") as running:
        yield running
        assert running.stop() == 143
        assert running.errors() == ""


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Thirty files of three sizes and three kinds, in every colour."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(30):
        size = ((8, 8), (40, 20), (301, 200))[number % 3]
        kind = ("png", "jpg", "webp")[number // 3 % 3]
        colour = (number * 37 % 256, number * 91 % 256, number * 53 % 256)
        Image.new("RGB", size, colour).save(folder / f"{number:02}.{kind}")
    return sorted(folder.iterdir())
