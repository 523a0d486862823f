"""The ranges of the training images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.data.image_data import ImageData
from zoo.data.training_images import describe_training_images
from zoo.images.preprocess import geometry, to_uint8
from zoo.runtime import differences


@pytest.fixture
def wide(tmp_path):
    """A folder of noisy pictures, four times as wide as high, half of them stored on their side."""
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(12):
            picture = Image.fromarray(random.integers(160, 240, (16, 64), np.uint8))
            exif = Image.Exif()
            if number % 2:
                exif[0x0112] = 6  # rotate by a quarter to see it upright
                picture = picture.transpose(Image.Transpose.ROTATE_90)
            picture.save(tmp_path / name / f"{number}.jpg", quality=95, exif=exif)
    return tmp_path


def data_of(root, resize):
    return ImageData({"name": "folder", "channels": 1}, root, 32, 4, split_seed=3, resize=resize, num_workers=0)


def test_bars_beside_letterboxed_pictures_do_not_count(wide):
    ranges = {resize: describe_training_images(data_of(wide, resize)) for resize in ("letterbox", "stretch")}
    assert ranges["letterbox"]["brightness"] == pytest.approx(ranges["stretch"]["brightness"], abs=0.01)
    assert ranges["letterbox"]["contrast"][1] < 0.1


def test_a_picture_of_another_shape_is_not_unlike_letterboxed_ones(wide):
    data = data_of(wide, "letterbox")
    square = np.random.default_rng(1).integers(160, 240, (64, 64, 1), np.uint8)
    seen = np.stack([to_uint8(Image.fromarray(square[..., 0]), data.spec).numpy()] * 2)
    seen[1] = 255 - seen[1]
    like, negative = differences(describe_training_images(data), geometry(data.spec), seen, [(64, 64)] * 2)
    assert like == []
    assert [sentence.partition(" than")[0] for sentence in negative] == ["much darker"]


def test_width_and_height_are_those_of_upright_pictures(wide):
    ranges = describe_training_images(data_of(wide, "cover"))
    assert (ranges["width"], ranges["height"]) == ([64, 64], [16, 16])


def test_letterboxed_items_without_files_are_measured_without_bars(wide, monkeypatch):
    expected = describe_training_images(data_of(wide, "letterbox"))
    data = data_of(wide, "letterbox")
    data.source("train")
    monkeypatch.setattr(data, "paths", lambda split: None)
    assert describe_training_images(data) == expected
