"""Pictures of another shape than the network's input, from the folder to the exported file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from support import error_of, write_wide

import zoo
from zoo.images.files import decode
from zoo.images.preprocess import to_uint8
from zoo.runtime import Classifier, verify


def test_wide_pictures_seen_whole_are_all_recognised(letterbox_model):
    results = json.loads((letterbox_model.parent / "results.json").read_text())
    assert results["test/accuracy"] == 1.0
    assert Classifier(letterbox_model).input_spec["resize"] == {
        "crop": 1.0,
        "interpolation": "bilinear",
        "fit": "letterbox",
    }


def test_a_centre_crop_of_them_shows_no_class(tmp_path):
    write_wide(tmp_path / "wide")
    data = {"dataset": "folder", "root": tmp_path / "wide", "image_size": 24, "channels": 1}
    crops = [pixels for images, _ in zoo.ImageDataModule(**data).loader("train") for pixels in images]
    assert torch.stack(crops).max() < 120  # the ends, which tell the classes, are brighter


@pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages")
def test_run_and_exported_file_give_the_same_probabilities(letterbox_model, tmp_path):
    classifier, run = Classifier(letterbox_model), zoo.load(letterbox_model.parent)
    assert verify(letterbox_model)["difference"] < 1e-4
    for size in [(24, 24), (96, 24), (10, 300), (7, 5)]:
        pixels = np.random.default_rng(sum(size)).integers(0, 256, size[::-1], np.uint8)
        Image.fromarray(pixels).save(tmp_path / "picture.png")
        expected = dict(classifier.predict(tmp_path / "picture.png"))
        assert dict(run.predict(tmp_path / "picture.png")[0]) == pytest.approx(expected, abs=1e-5)
        seen = to_uint8(torch.tensor(decode(tmp_path / "picture.png", 1)), run.spec)
        assert dict(classifier.predict(seen.numpy())) == pytest.approx(expected, abs=1e-5)


def test_a_run_refuses_another_fit_than_its_own(zoo, letterbox_model):
    line = error_of(zoo("test", letterbox_model.parent, "--data.resize", "stretch"))
    assert "data.resize is stretch, but the model was trained with letterbox; leave the option out" in line
