"""Classes of unequal size, weighted and sampled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.utils.class_weight import compute_class_weight

from zoo.core.errors import UserError
from zoo.data.image_data import ImageData
from zoo.data.item_reader import BAD
from zoo.data.loader import Loader
from zoo.data.sampling import balanced_order, balanced_weights
from zoo.data.sources import MemorySource


@pytest.fixture
def labels():
    """70 images of one class, 20 and 10 of two others, mixed."""
    values = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    return values[torch.randperm(100, generator=torch.Generator().manual_seed(0))]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_weights_equal_scikit_learns(labels):
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    assert balanced_weights(labels, "abc") == pytest.approx(expected.tolist())


def test_a_class_without_an_image_has_no_weight(labels):
    with pytest.raises(UserError, match="class 'd' has no training image"):
        balanced_weights(labels, "abcd")


def test_each_class_comes_equally_often_up_to_one(labels):
    counts = torch.bincount(labels[balanced_order(labels, generator())])
    assert sorted(counts.tolist()) == [33, 33, 34]


def test_images_of_a_class_come_equally_often_up_to_one(labels):
    order = balanced_order(labels, generator())
    for label in range(3):
        images = (labels == label).nonzero().flatten()
        counts = torch.bincount(order, minlength=100)[images]
        assert counts.max() - counts.min() <= 1


def test_damaged_images_are_left_out(labels):
    labels[labels == 2] = BAD
    counts = torch.bincount(labels[balanced_order(labels, generator())])
    assert counts.tolist() == [50, 50]


def test_seed_and_epoch_alone_decide_and_positions_are_shared_by_processes(labels):
    source = MemorySource(torch.zeros(100, 2, 2, 1, dtype=torch.uint8), torch.arange(100))

    def served(epoch, **options):
        loader = Loader(source, 10, shuffle=True, seed=7, balance=labels, **options)
        loader.sampler.set_epoch(epoch)
        return [index for _, indices in loader for index in indices.tolist()]

    assert served(0) == served(0) != served(1)
    assert sorted(served(1)) == sorted(served(1, rank=0, world_size=2) + served(1, rank=1, world_size=2))


@pytest.fixture
def folder(tmp_path):
    """30 images of one class and 6 of another, in a folder."""
    pixels = np.random.default_rng(0).integers(0, 256, (36, 8, 8), dtype=np.uint8)
    for number, image in enumerate(pixels):
        path = tmp_path / "photos" / "train" / ("rare" if number < 6 else "usual") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize("memory", [0, 1])
def test_training_is_balanced_from_memory_and_from_a_stream(folder, memory):
    data = ImageData("folder", folder, memory_gib=memory, num_workers=0, balanced=True, batch_size=8)
    served = torch.cat([labels for _, labels in data.loader("train")])
    assert abs(int((served == 0).sum()) - int((served == 1).sum())) <= 1
    assert len(served) == len(data.source("train"))
    assert torch.cat([labels for _, labels in data.loader("val")]).tolist().count(1) > 1


def test_the_weights_are_in_the_checkpoint_and_balanced_in_the_config(zoo, tmp_path, folder):
    options = ("--data", "folder", "--data.root", folder, "--data.batch_size", 8, "--trainer.max_epochs", 1)
    network = ("--model", "cnn", "--model.architecture.layout", "4C3", "--model.class_weights", "balanced")
    status, out, err = zoo("fit", *network, *options)
    assert status == 0, err
    run = tmp_path / out.splitlines()[-1]
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["hyper_parameters"]["class_weights"]
    trained = [line for line in (run / "split.csv").read_text().splitlines() if ",train," in line]
    rare = sum(",rare,train," in line for line in trained)
    assert rare > 0
    assert saved == pytest.approx([len(trained) / (2 * rare), len(trained) / (2 * (len(trained) - rare))])
    assert "class_weights: balanced" in (run / "config.yaml").read_text()
    assert zoo("validate", run)[0] == 0


@pytest.mark.parametrize("option", [("--model.class_weights", "balanced"), ("--data.balanced", "true")])
def test_balancing_trains_on_real_photographs(zoo, real_data, option):
    options = ("--data", "folder", "--data.root", real_data / "hymenoptera", "--data.image_size", 32)
    status, out, err = zoo("fit", *option, *options, "--trainer.max_epochs", 1)
    assert status == 0, err
    assert "val accuracy" in out
