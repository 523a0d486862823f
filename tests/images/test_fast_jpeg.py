"""JPEG files read for training: nearly what evaluation sees, and nothing else than JPEG files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.core.spec import InputSpec, Resize
from zoo.data.image_data import ImageData
from zoo.images.fast_jpeg import read_for_training
from zoo.images.files import open_image
from zoo.images.preprocess import to_uint8

ORIENTATION = 0x0112


def picture(width, height, mode="RGB"):
    """A picture of slow waves, as most of a photograph is, with some noise."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 40 + shift) + np.cos(y / 30 - shift) for shift in range(3)]
    noise = np.random.default_rng(0).normal(0, 3, (height, width, 3))
    levels = np.clip(128 + 50 * np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(levels).convert(mode)


def spec(channels=3, size=(224, 224), resize=Resize(0.875)):  # noqa: B008  # a constant
    return InputSpec(("a", "b"), channels, *size, (0.5,) * channels, (0.2,) * channels, resize)


@pytest.mark.parametrize(
    ("size", "wanted", "channels"),
    [
        ((500, 375), spec(), 3),
        ((375, 500), spec(), 3),
        ((500, 375), spec(resize=Resize(0.875, "bicubic")), 3),
        ((500, 375), spec(size=(100, 200)), 3),
        ((150, 90), spec(), 3),  # enlarged
        ((224, 224), spec(resize=Resize(1.0)), 3),
        ((500, 375), spec(channels=1), 1),
        ((2400, 1600), spec(), 3),  # decoded smaller
        ((2400, 1600), spec(channels=1), 1),
        ((500, 375), spec(resize=Resize(fit="letterbox")), 3),
        ((375, 500), spec(size=(100, 200), resize=Resize(0.7, "bicubic", "letterbox")), 3),
        ((2400, 100), spec(channels=1, resize=Resize(fit="letterbox")), 1),
        ((500, 375), spec(resize=Resize(fit="stretch")), 3),
        ((90, 500), spec(resize=Resize(0.875, "bicubic", "stretch")), 3),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_pixels_are_nearly_those_of_evaluation(tmp_path, size, wanted, channels, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = tmp_path / "picture.jpg"
    picture(*size, "L" if channels == 1 else "RGB").save(file, quality=95, exif=exif)
    pixels = read_for_training(str(file), wanted)
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (wanted.height, wanted.width, channels)
    difference = (pixels.int() - to_uint8(open_image(file, channels), wanted).int()).abs().float()
    assert difference.mean() < 1  # of 255 levels: less than the picture's own noise
    assert difference.max() < 20


def write(path, kind):
    """Write a file that is to be read the usual way."""
    if kind == "png":
        picture(50, 40).save(path, "PNG")
    elif kind == "grey":
        picture(50, 40, "L").save(path, "JPEG")
    elif kind == "cmyk":
        picture(50, 40, "CMYK").save(path, "JPEG")
    else:
        picture(500, 400).save(path, "JPEG")
        content = path.read_bytes()
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"no picture"}[kind])


@pytest.mark.parametrize("kind", ["png", "grey", "cmyk", "cut", "empty", "text"])
def test_any_other_file_is_left_to_the_usual_way(tmp_path, kind):
    write(tmp_path / "file.jpg", kind)
    assert read_for_training(str(tmp_path / "file.jpg"), spec()) is None


def test_a_missing_file_is_left_to_the_usual_way(tmp_path):
    assert read_for_training(str(tmp_path / "none.jpg"), spec()) is None


def test_too_many_pixels_are_left_to_the_usual_way(tmp_path, monkeypatch):
    picture(50, 40).save(tmp_path / "file.jpg")
    monkeypatch.setattr("zoo.images.fast_jpeg.MAX_PIXELS", 50 * 40 - 1)
    assert read_for_training(str(tmp_path / "file.jpg"), spec()) is None


@pytest.fixture
def photographs(tmp_path):
    """A folder of two classes of ten photographs; one of the first class is a PNG file."""
    for label, name in enumerate(("ants", "bees")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(10):
            file = tmp_path / "photos" / name / f"{index}.jpg"
            picture(300 + 10 * index, 250 + 100 * label).save(file, "PNG" if (label, index) == (0, 0) else "JPEG")
    return tmp_path / "photos"


def test_only_training_reads_so(photographs):
    data = ImageData("folder", photographs, memory_gib=0, num_workers=0, batch_size=4, augmentation="none")
    loaders = {"train": data.loader("train"), "val": data.loader("val")}
    for split, loader in loaders.items():
        dataset, indices = loader.source.items.dataset, loader.source.items.indices
        positions = torch.cat([labels for _, labels in loader])
        assert sorted(positions.tolist()) == sorted(int(dataset.labels[index]) for index in indices)
        exact = [to_uint8(dataset[int(index)][0], data.spec) for index in indices]
        read = list(loader.source.fetch(torch.arange(len(indices)).split(4)))
        equal = torch.equal(torch.cat([images for images, _ in read]), torch.stack(exact))
        assert equal is (split == "val")


def test_a_damaged_photograph_is_named(photographs):
    file = photographs / "bees" / "1.jpg"
    file.write_bytes(file.read_bytes()[:1000])
    data = ImageData("folder", photographs, memory_gib=0, num_workers=0, batch_size=4)
    with pytest.raises(Exception, match=r"bees/1\.jpg: not a readable image"):
        list(data.loader("train"))
