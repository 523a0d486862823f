"""Training images cut from files and changed one by one: the same from any number of processes, and after a resume."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.core.errors import ImageError
from zoo.data.image_data import ImageData
from zoo.data.pixel_cache import PixelCache
from zoo.data.views import augmented_views

AUGMENTATION = ["random_resized_crop", "flip", {"name": "rotate", "degrees": 20}]


@pytest.fixture
def photographs(tmp_path):
    """A folder of two classes of six JPEG files of 150x200 each."""
    random = np.random.default_rng(0)
    for name in ("dark", "bright"):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = random.integers(0, 255, (15, 20, 3), np.uint8).repeat(10, 0).repeat(10, 1)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.jpg")
    return tmp_path


def opened(root, **options):
    shared = {
        "image_size": 64,
        "batch_size": 4,
        "val_fraction": 0.2,
        "test_fraction": 0.0,
        "augmentation": AUGMENTATION,
    }
    return ImageData("folder", root, **(shared | {"num_workers": 0} | options))


def served(data, epoch=1):
    loader = data.loader("train")
    loader.sampler.set_epoch(epoch)
    batches = list(loader)
    return torch.cat([images for images, _ in batches]), torch.cat([labels for _, labels in batches])


@pytest.mark.parametrize("options", [{"num_workers": 2}, {"memory_gib": 0}], ids=["workers", "streamed"])
def test_workers_and_memory_change_no_pixel(photographs, options):
    images, labels = served(opened(photographs))
    others, other_labels = served(opened(photographs, **options))
    assert torch.equal(labels, other_labels)
    assert torch.equal(images, others)
    assert not torch.equal(images, served(opened(photographs), epoch=2)[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_each_file_is_decoded_once_while_memory_lasts(photographs, workers):
    data = opened(photographs, num_workers=workers)
    loader = data.loader("train")
    first = list(loader)
    for path in photographs.glob("*/*.jpg"):
        path.write_bytes(b"")
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, loader, strict=True))
    with pytest.raises(ImageError, match="cannot be read"):
        list(opened(photographs, num_workers=workers, memory_gib=0).loader("train"))


def test_images_beyond_the_limit_are_not_held():
    cache = PixelCache(3, 40)
    images = [torch.full((2, 3, 3), value, dtype=torch.uint8) for value in range(3)]
    for item, image in enumerate(images):
        cache.put(item, image, 10 + item)
    assert [cache.get(item) is not None for item in range(3)] == [True, True, False]
    pixels, label = cache.get(1)
    assert torch.equal(pixels, images[1])
    assert label == 11


def test_a_resumed_epoch_serves_the_rest_with_the_same_pixels(photographs):
    whole = served(opened(photographs))[0]
    loader = opened(photographs).loader("train")
    loader.sampler.set_epoch(1)
    loader.load_state_dict({"epoch": 1, "served": 1})
    assert torch.equal(torch.cat([images for images, _ in loader]), whole[4:])


def test_the_batch_size_changes_no_image(photographs):
    assert torch.equal(served(opened(photographs))[0], served(opened(photographs, batch_size=2))[0])


def test_a_crop_is_cut_from_the_file_and_not_from_the_held_image(photographs):
    exact = {"name": "random_resized_crop", "scale": [1.0, 1.0], "ratio": [4 / 3, 4 / 3]}
    data = opened(photographs, augmentation=exact)
    images, views = augmented_views(data, "train", 2, 1)
    with Image.open(data.paths("train")[0]) as file:
        expected = np.asarray(file.resize((64, 64), Image.Resampling.BILINEAR))
    assert np.abs(views[0, 0].numpy().astype(int) - expected).max() <= 8  # the decoder differs by a few levels
    assert np.abs(images[0].numpy().astype(int) - expected).max() > 50


def test_an_image_that_comes_twice_in_a_balanced_epoch_is_changed_differently(photographs):
    for number in range(2, 6):
        (photographs / "dark" / f"{number}.jpg").unlink()
    data = opened(photographs, balanced=True)
    images, labels = served(data)
    dark = images[labels == data.spec.classes.index("dark")]
    assert len(dark) > 1
    assert not torch.equal(dark[0], dark[1])


def test_an_array_in_memory_is_changed_one_by_one():
    none, turned = (
        ImageData("digits", augmentation=name, batch_size=500, num_workers=0) for name in ("none", "rotate")
    )
    images, labels = served(none)
    changed, same_labels = served(turned)
    assert torch.equal(labels, same_labels)
    assert changed.shape == images.shape
    assert (changed != images).flatten(1).any(1).float().mean() > 0.9


def test_views_of_one_image_differ_and_flips_take_turns(photographs):
    images, views = augmented_views(opened(photographs), "train", 3, 4)
    assert images.shape == (3, 64, 64, 3)
    assert views.shape == (3, 4, 64, 64, 3)
    assert all(not torch.equal(views[0, 0], views[0, other]) for other in (1, 2, 3))
    _, flips = augmented_views(opened(photographs, augmentation="flip"), "train", 3, 4)
    assert torch.equal(flips[:, 0], flips[:, 1].flip(2))
    assert torch.equal(flips[:, 0], flips[:, 2])


@pytest.mark.parametrize(
    ("classes", "size", "setting"),
    [
        (("ant", "bee"), 64, ["random_resized_crop", "flip"]),
        (("ant", "bee"), 32, "crop_flip"),
        (("a", "b", "c"), 64, "crop"),
        (("Zero", "one", "7"), 28, "crop"),
    ],
)
def test_files_get_the_augmentation_that_suits_them(tmp_path, classes, size, setting):
    for name in classes:
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.fromarray(np.zeros((size, size, 3), np.uint8)).save(tmp_path / name / f"{number}.png")
    assert ImageData("folder", tmp_path).augmentation_setting() == setting


def test_where_the_whole_image_is_to_be_seen_no_part_is_cut_out(photographs):
    assert opened(photographs, augmentation=None).augmentation_name() == "random_resized_crop + flip"
    assert opened(photographs, augmentation=None, resize="letterbox").augmentation_name() == "crop_flip"
