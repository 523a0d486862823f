"""A run records the augmentation that it trains with, and keeps it."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from PIL import Image
from support import error_of

from zoo.runs.config_file import read_config


@pytest.fixture
def fit(zoo, tmp_path):
    """The words of a short fit of photographs."""
    random = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 255, (80, 100, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    words = ["fit", "--run", "first", "--data", "folder", "--data.root", "photos", "--data.image_size", 32]
    return [*words, "--data.num_workers", 0, "--data.batch_size", 4, "--trainer.max_epochs"]


def test_the_default_is_recorded_and_the_same_command_trains_on(zoo, fit, tmp_path):
    status, _, err = zoo(*fit, 1)
    assert status == 0, err
    assert read_config("runs/first/config.yaml")["data"]["augmentation"] == ["random_resized_crop", "flip"]
    assert "random_resized_crop + flip: above" in (tmp_path / "runs/first/report.html").read_text()
    status, _, err = zoo(*fit, 2)
    assert status == 0, err
    assert (tmp_path / "runs/first/metrics.csv").read_text().count("\n1,") == 1
    assert "trained with data.augmentation ['random_resized_crop', 'flip']" in error_of(
        zoo(*fit, 2, "--data.augmentation", "flip")
    )


def test_a_list_with_arguments_is_recorded_as_it_was_written(zoo, fit):
    setting = "[flip, {name: rotate, degrees: 5}, torchvision.transforms.v2.RandomInvert]"
    status, _, err = zoo(*fit, 1, "--data.augmentation", setting)
    assert status == 0, err
    assert read_config("runs/first/config.yaml")["data"]["augmentation"] == yaml.safe_load(setting)


def test_an_old_run_that_recorded_none_keeps_crop_and_flip(zoo, fit, tmp_path):
    assert zoo(*fit, 1, "--data.augmentation", "crop_flip")[0] == 0
    config = tmp_path / "runs/first/config.yaml"
    config.write_text(config.read_text().replace("augmentation: crop_flip", "augmentation: null"))
    status, _, err = zoo("fit", "runs/first", "--trainer.max_epochs", 2)
    assert status == 0, err
    assert "crop_flip: above" in (tmp_path / "runs/first/report.html").read_text()
    assert read_config(config)["data"]["augmentation"] == "crop_flip"


def test_a_wrong_augmentation_is_one_line(zoo, fit):
    message = error_of(zoo(*fit, 1, "--data.augmentation", "[flip, {name: rotate, degree: 5}]"))
    assert "augmentation 'rotate' has no option 'degree'; its options are degrees; did you mean 'degrees'?" in message
