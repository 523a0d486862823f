"""ImageData: any data set, in memory or streamed, gives the same batches."""

from __future__ import annotations

import multiprocessing
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.core.errors import DownloadError, ImageError, NoSplitError, UserError
from zoo.data.image_data import ImageData
from zoo.data.sources import MemorySource, StreamSource
from zoo.images.files import open_image
from zoo.images.preprocess import to_uint8


@pytest.fixture
def photos(tmp_path):
    """60 images of three classes and many sizes."""
    rng = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / "photos" / "abc"[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (rng.integers(20, 60), rng.integers(20, 60), 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def epoch(data, number=0):
    loader = data.loader("train")
    loader.sampler.set_epoch(number)
    return list(loader)


def test_the_spec_of_digits_is_computed_from_its_training_pixels():
    data = ImageData("digits")
    spec = data.spec
    assert (spec.classes, spec.channels, spec.height, spec.width) == (tuple("0123456789"), 1, 8, 8)
    source = data.source("train")
    pixels = source.images[source.rows].double() / 255
    assert spec.mean == pytest.approx((pixels.mean().item(),))
    assert spec.std == pytest.approx((pixels.std(correction=0).item(),))


def test_val_is_taken_from_train_without_overlap_and_by_class():
    data = ImageData("digits", val_fraction=0.2)
    train, val = data.source("train"), data.source("val")
    assert not set(train.rows.tolist()) & set(val.rows.tolist())
    assert len(train) + len(val) == 1438
    assert torch.bincount(val.labels[val.rows]).min() >= 27


@pytest.mark.parametrize("workers", [0, 2])
def test_streaming_gives_the_pixels_that_memory_gives(photos, workers):
    options = {"root": photos, "batch_size": 10, "image_size": 24}
    held = ImageData("folder", **options, num_workers=0)
    streamed = ImageData("folder", **options, num_workers=workers, memory_gib=0)
    assert isinstance(held.source("train"), MemorySource)
    assert isinstance(streamed.source("train"), StreamSource)
    assert held.spec == streamed.spec
    for (first, a), (second, b) in zip(epoch(held, 1), epoch(streamed, 1), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(first, second)


def test_photographs_are_batched_at_the_size_asked_for(photos):
    images, labels = epoch(ImageData("folder", photos, image_size="20,30", batch_size=16, num_workers=0))[0]
    assert images.shape == (16, 20, 30, 3)
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("memory_gib", [0, 2])
def test_a_damaged_image_stops_with_its_name_or_is_left_out(photos, memory_gib, capsys):
    for label in "abc":
        (photos / label / "broken.png").write_bytes(b"not an image")
    options = {"root": photos, "image_size": 24, "batch_size": 6, "memory_gib": memory_gib, "num_workers": 0}
    with pytest.raises(ImageError, match=r"broken\.png: not a readable image"):
        everything(ImageData("folder", **options))
    assert everything(ImageData("folder", **options, skip_bad=True)) == 60
    assert "skipped bad image 1: " in capsys.readouterr().err


def everything(data):
    """Serve every split once; return the number of images."""
    loaders = (data.loader("train"), data.loader("val"), data.loader("test"))
    return sum(len(labels) for loader in loaders for _, labels in loader)


def test_a_damaged_image_leaves_the_order_of_the_others(photos):
    options = {"root": photos, "image_size": 24, "batch_size": 6, "num_workers": 0, "skip_bad": True}
    before = torch.cat([images for images, _ in epoch(ImageData("folder", **options))])
    data = ImageData("folder", **options)
    path = data.paths("train")[0]
    with open(path, "wb"):
        pass
    after = torch.cat([images for images, _ in epoch(data)])
    assert len(after) == len(before) - 1
    kept = iter(before)
    assert all(any(torch.equal(image, other) for other in kept) for image in after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"data\.batch_size is 0; allowed is 1 or more"),
        ({"val_fraction": 1.0}, r"data\.val_fraction is 1\.0"),
        ({"memory_gib": -1}, r"data\.memory_gib is -1"),
        ({"num_workers": -1}, r"data\.num_workers is -1"),
        ({"image_size": "8x8"}, r"data\.image_size is '8x8'; allowed is N or H,W"),
        ({"image_size": 0}, r"data\.image_size is '0'"),
        ({"resize": "squash"}, r"data\.resize is 'squash'; allowed are cover, letterbox, stretch"),
        ({"channels": 0}, r"data\.channels is 0; allowed is 1 or more"),
        ({"augmentation": "flop"}, r"unknown augmentation 'flop'.*did you mean 'flip'"),
        ({"dataset": "digit"}, r"unknown data set 'digit'; did you mean 'digits'"),
        ({"batch_size": 1296}, r"data\.batch_size is 1296 but 'digits' has 1295 training images"),
    ],
)
def test_a_value_outside_what_is_allowed_is_an_error(options, message):
    with pytest.raises(UserError, match=message):
        ImageData(**options).loader("train")


def test_a_spec_given_is_kept_and_its_classes_are_required(photos):
    spec = ImageData("digits").spec
    assert ImageData("digits", spec=spec).spec is spec
    with pytest.raises(UserError, match=r"not expected: a, b, c; missing: 0, 1"):
        ImageData("folder", photos, spec=spec).source("test")
    with pytest.raises(UserError, match=r"data\.image_size is 16,16, but the model was trained with 8,8"):
        ImageData("digits", image_size=16, spec=spec)


def test_a_split_that_does_not_exist_says_so(photos):
    root = photos.parent / "trained"
    root.mkdir()
    photos.rename(root / "train")
    with pytest.raises(NoSplitError, match="no test/"):
        ImageData("folder", root, image_size=24).source("test")


def test_missing_data_without_a_network_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9"):
        _ = ImageData("cifar10", tmp_path).spec


def test_a_training_that_ends_leaves_no_reading_process(photos):
    before = set(multiprocessing.active_children())
    data = ImageData("folder", photos, image_size=24, batch_size=10, num_workers=2, memory_gib=0)
    loader = data.loader("train")
    list(loader)
    assert len(set(multiprocessing.active_children()) - before) == 2
    data.stop_workers()
    assert set(multiprocessing.active_children()) == before
    assert len(list(loader)) == len(loader)  # another pass is possible
    assert set(multiprocessing.active_children()) == before


@pytest.mark.parametrize("memory_gib", [0, 2])
def test_paths_are_the_files_of_a_split_in_the_order_that_its_loader_serves(photos, memory_gib):
    data = ImageData("folder", photos, image_size=24, num_workers=0, memory_gib=memory_gib)
    for split in ("train", "val", "test"):
        source, paths = data.source(split), data.paths(split)
        [(images, _)] = source.fetch([torch.arange(len(source))])
        assert len(set(paths)) == len(source)
        for path, pixels in zip(paths, images, strict=True):
            assert torch.equal(to_uint8(open_image(path), data.spec), pixels)


def test_a_data_set_without_files_has_no_paths():
    assert ImageData("digits").paths("val") is None


def damage(root, count):
    """Damage images of each class; return their names."""
    paths = sorted(root.glob("*/*.png"))[:: 60 // count][:count]
    for path in paths:
        path.write_bytes(path.read_bytes()[:60])
    return [path.name for path in paths]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("memory_gib", [0, 2])
def test_one_error_names_all_damaged_images_of_every_split(photos, workers, memory_gib):
    names = damage(photos, 10)
    data = ImageData("folder", photos, image_size=24, num_workers=workers, memory_gib=memory_gib, batch_size=8)
    with pytest.raises(ImageError, match="10 images cannot be read") as error:
        list(data.loader("train"))
    assert all(f"{name}: " in str(error.value) for name in names)
    assert str(error.value).endswith("(--data.skip_bad true leaves such images out)")


def test_an_error_about_many_damaged_images_names_a_dozen_and_their_number(photos):
    damage(photos, 30)
    with pytest.raises(ImageError, match=r"30 images cannot be read: .* and 18 more, which zoo check names") as error:
        ImageData("folder", photos, image_size=24, num_workers=0).source("train")
    assert str(error.value).count(".png: ") == 12


def test_damaged_images_of_split_folders_are_named_together(photos, tmp_path):
    damaged = [tmp_path / "root" / split / "a" / "0.png" for split in ("train", "test")]
    for split in ("train", "val", "test"):
        shutil.copytree(photos, tmp_path / "root" / split)
    for path in damaged:
        path.write_bytes(b"no image")
    with pytest.raises(ImageError, match="2 images cannot be read") as error:
        ImageData("folder", tmp_path / "root", image_size=24, num_workers=0).source("train")
    assert all(str(path) in str(error.value) for path in damaged)
