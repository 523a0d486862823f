"""Images of 12 bits in 16-bit files, and of other channels than 1 and 3, from the folder to the exported file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import error_of, png_of_16_bits, write_12_bits

import zoo
from zoo.runtime import Classifier


@pytest.fixture
def trained(tmp_path, zoo):
    """Train, test and export LeNet-5 on a folder; return the run."""

    def train(folder, *options):
        words = ["fit", "--model", "lenet5", "--data", "folder", "--data.root", folder, "--trainer.max_epochs", 8]
        words += ["--data.num_workers", 0, "--data.augmentation", "none", "--data.batch_size", 8, "--run", "run"]
        for command in ([*words, *options], ["test", "runs/run"], ["export", "runs/run"]):
            status, _, err = zoo(*command)
            assert status == 0, err
        return tmp_path / "runs" / "run"

    return train


@pytest.mark.parametrize(("suffix", "channels"), [(".tif", 1), (".PNG", 1), (".png", 3), (".TIFF", 3)])
def test_12_bits_in_16_bit_files_are_all_recognised(tmp_path, trained, suffix, channels):
    write_12_bits(tmp_path / "deep", suffix.lower(), channels)
    for path in (tmp_path / "deep").rglob("*.*"):
        path.rename(path.with_suffix(suffix))
    run = trained(tmp_path / "deep", "--data.channels", channels)
    assert json.loads((run / "results.json").read_text())["test/accuracy"] == 1.0
    classifier = Classifier(run / "model.onnx")
    assert classifier.input_spec["white_level"] == 4095
    for path in (tmp_path / "deep").rglob("*7.*"):
        expected = dict(classifier.predict(path))
        assert max(expected, key=expected.get) == path.parent.name
        assert dict(zoo.load(run).predict(path)[0]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("suffix", "channels"), [(".npy", 2), (".npy", 5), (".tif", 4)])
def test_other_channels_go_from_the_folder_to_the_exported_file(tmp_path, trained, zoo, suffix, channels):
    write_12_bits(tmp_path / "deep", suffix, channels)
    run = trained(tmp_path / "deep", "--data.channels", channels)
    assert json.loads((run / "results.json").read_text())["test/accuracy"] == 1.0
    classifier = Classifier(run / "model.onnx")
    assert (classifier.input_spec["channels"], classifier.input_spec["white_level"]) == (channels, 4095)
    assert classifier.session.get_inputs()[0].shape[3] == channels
    for model in (run, run / "model.onnx"):
        status, out, err = zoo("predict", model, tmp_path / "deep" / "up" / f"7{suffix}")
        assert status == 0, err
        assert out.index(" up ") < out.index(" across ")
    assert zoo("verify", run / "model.onnx")[0] == 0


def test_the_white_level_of_a_flat_folder_is_that_of_the_training_images(tmp_path):
    write_12_bits(tmp_path / "deep", ".png")
    data = zoo.ImageDataModule("folder", tmp_path / "deep", channels=1, num_workers=0)
    tested = Path(data.paths("test")[0])
    tested.write_bytes(png_of_16_bits(np.full((24, 24, 1), 65535, np.uint16)))
    data = zoo.ImageDataModule("folder", tmp_path / "deep", channels=1, num_workers=0)
    assert data.spec.white_level == 4095
    assert int(data.source("test").images.max()) == 255  # what is above it is white


def test_files_of_other_channels_than_asked_for_are_named(tmp_path, zoo):
    write_12_bits(tmp_path / "deep", ".npy", 5)
    line = error_of(zoo("fit", "--data", "folder", "--data.root", tmp_path / "deep", "--data.channels", 4))
    assert "across/" in line
    assert "its shape is (24, 24, 5); expected is (height, width, 4)" in line


def test_arrays_that_nobody_asked_for_are_no_images_but_named(tmp_path, zoo):
    write_12_bits(tmp_path / "deep", ".npy", 4)
    line = error_of(zoo("fit", "--data", "folder", "--data.root", tmp_path / "deep"))
    assert "holds no image; add images or remove the folder; .npy files are images with --data.channels N" in line


def test_check_sees_12_bits_as_training_does(tmp_path, zoo):
    for suffix, channels in ((".tif", 3), (".npy", 4)):
        folder = tmp_path / suffix
        write_12_bits(folder, suffix, 1 if channels == 3 else 4)
        _, out, _ = zoo("check", "folder", "--data.root", folder, "--data.dataset.channels", channels)
        assert "one colour" not in out
        assert "unreadable" not in out


def test_a_page_of_other_channels_is_refused(tmp_path, trained, zoo):
    write_12_bits(tmp_path / "deep", ".npy", 2)
    run = trained(tmp_path / "deep", "--data.channels", 2)
    line = error_of(zoo("export", run, "--web", "page"))
    assert "2 channels" in line


def test_the_mean_is_that_of_the_white_level(tmp_path):
    write_12_bits(tmp_path / "deep", ".tif")
    data = zoo.ImageDataModule("folder", tmp_path / "deep", channels=1, num_workers=0)
    assert data.spec.white_level == 4095
    assert data.spec.mean[0] == pytest.approx(1910 / 4095, abs=0.01)
    assert np.asarray(data.source("val").images).max() == 255
