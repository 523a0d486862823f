"""Every shipped recipe parses and trains a few steps on its own data; the one without training predicts."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from support import REPOSITORY
from torchvision import models

CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yaml"))
PUBLISHED = REPOSITORY / "configs" / "imagenet" / "vgg16.yaml"
TRAINED = [path for path in CONFIGS if path != PUBLISHED]


def dataset(path):
    """Return the data set of a recipe, by the name of its folder."""
    return "folder" if path.parent.name == "photographs" else path.parent.name


def title(path):
    return f"{path.parent.name}/{path.stem}"


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory):
    """A file of VGG16's weights for ImageNet's classes, in torchvision's format; they are random."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    torch.save(models.vgg16(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def efficientnet_file(tmp_path_factory):
    """A file of random weights for the network of the photographs' recipes, in timm's format."""
    timm = pytest.importorskip("timm")
    path = tmp_path_factory.mktemp("weights") / "efficientnet.pth"
    torch.save(timm.create_model("tf_efficientnet_lite0").state_dict(), path)
    return path


def test_there_are_recipes():
    assert len(TRAINED) >= 8


@pytest.mark.parametrize("path", TRAINED, ids=title)
def test_a_recipe_parses_and_says_what_it_is(zoo, path):
    assert path.read_text().startswith("# ")
    status, out, err = zoo("fit", "--config", path, "--print_config")
    assert status == 0, err
    assert f"name: {dataset(path)}" in out


@pytest.mark.parametrize("path", TRAINED, ids=title)
def test_a_recipe_trains_a_few_steps(zoo, path, request):
    if path.parent.name != "digits":
        request.getfixturevalue("real_data")
    words = ["--trainer.max_steps", 3, "--trainer.limit_val_batches", 1]
    if dataset(path) == "folder":
        words += ["--data.root", request.getfixturevalue("real_data") / "hymenoptera"]
        words += ["--data.image_size", 32, "--data.batch_size", 8]
    if "weights: DEFAULT" in path.read_text():
        file = "efficientnet_file" if path.parent.name == "photographs" else "vgg16_file"
        words += ["--model.weights", request.getfixturevalue(file)]
    status, out, err = zoo("fit", "--config", path, *words)
    assert status == 0, err
    if path.parent.name == "folder":
        assert "layer classifier.6 of 1000 classes replaced by a fresh one of 2" in err
        assert "134,268,738, 7,635,264 frozen" in err
    assert out.splitlines()[-1].startswith(f"runs/{dataset(path)}-")


def test_the_recipe_without_training_gives_ten_guesses_and_a_picture(zoo, tmp_path, vgg16_file):
    Image.radial_gradient("L").save(tmp_path / "disc.png")
    words = ("--config", PUBLISHED, "--model.weights", vgg16_file, "disc.png", "--plot", "guesses.png")
    status, out, err = zoo("predict", *words)
    assert status == 0, err
    assert out.count("%") == 10
    with Image.open(tmp_path / "guesses.png") as picture:
        assert picture.size == (1200, 372)


def test_the_digits_recipe_reaches_its_accuracy(zoo, tmp_path):
    status, out, err = zoo("fit", "--config", REPOSITORY / "configs" / "digits" / "lenet5.yaml")
    assert status == 0, err
    status, out, _ = zoo("test", tmp_path / out.splitlines()[-1])
    accuracy = float(next(line for line in out.splitlines() if "test/accuracy" in line).split()[-2])
    assert accuracy >= 0.96
