"""Pairs of images: copies are paired, similar pictures are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.data.checks.duplicates import HIGHEST, SIDE, groups, near_pairs


def thumbnail(image):
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def reencoded(image, quality, scale=1.0):
    file = io.BytesIO()
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size).save(file, "JPEG", quality=quality)
    return Image.open(file)


def scene(seed, side=120):
    """Return a picture of smooth spots, a different one for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(("quality", "scale"), [(95, 1), (50, 1), (75, 0.5), (75, 2)])
def test_a_copy_in_other_pixels_is_paired_with_its_original(quality, scale):
    images = [scene(seed) for seed in range(20)]
    images.append(reencoded(images[7], quality, scale))
    pairs, differences = near_pairs(np.stack([thumbnail(image) for image in images]))
    assert pairs.tolist() == [[7, 20]]
    assert differences.max() < HIGHEST


def test_a_brighter_copy_is_paired_with_its_original():
    thumbnails = np.stack([thumbnail(scene(seed)) // 2 for seed in range(20)])
    brighter = np.concatenate([thumbnails, thumbnails[3:4] + 40])
    assert near_pairs(brighter)[0].tolist() == [[3, 20]]


def test_a_mirrored_copy_is_another_picture():
    thumbnails = np.stack([thumbnail(scene(seed)) for seed in range(20)])
    assert len(near_pairs(np.concatenate([thumbnails, thumbnails[3:4, :, ::-1]]))[0]) == 0


def test_pictures_of_one_colour_are_not_compared():
    thumbnails = np.stack([np.full((SIDE, SIDE), level, np.uint8) for level in range(0, 250, 25)])
    assert len(near_pairs(thumbnails)[0]) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_pairs(count):
    pairs, differences = near_pairs(np.zeros((count, SIDE, SIDE), np.uint8))
    assert pairs.shape == (0, 2)
    assert differences.shape == (0,)


def test_the_more_similar_pictures_the_stricter_the_limit():
    bars = np.zeros((600, SIDE, SIDE), np.float64)
    generator = np.random.default_rng(0)
    for bar in bars:  # strokes of similar slope, like handwritten ones
        rows = np.arange(6, 26)
        columns = 16 + generator.uniform(-1, 1) + (rows - 16) * generator.uniform(-0.1, 0.1)
        bar[6:26] = np.exp(-((np.arange(SIDE) - columns[:, None]) ** 2) / generator.uniform(2, 4))
    thumbnails = (255 * bars).astype(np.uint8)
    pairs, differences = near_pairs(thumbnails)
    vectors = thumbnails.reshape(600, -1).astype(np.float64)
    alike = np.corrcoef(vectors)[np.triu_indices(600, 1)]
    assert (alike > 1 - HIGHEST).sum() > 1000
    assert differences.max() < HIGHEST / 4
    assert len(pairs) < (alike > 1 - HIGHEST).sum() / 20


def test_no_two_digits_are_the_same_picture():
    splits = [zoo.create_dataset("digits", ".", split) for split in ("train", "test")]
    images = np.concatenate([split.images[..., 0] for split in splits])
    assert len(near_pairs(np.stack([thumbnail(Image.fromarray(image)) for image in images]))[0]) == 0


@pytest.mark.parametrize("count", [200, 2_000, 10_000])
def test_no_two_digits_of_mnist_are_the_same_picture(real_data, count):
    images = zoo.create_dataset("mnist", real_data, "test").images[:count, ..., 0]
    assert len(near_pairs(np.stack([thumbnail(Image.fromarray(image)) for image in images]))[0]) == 0


def test_pairs_become_groups():
    assert groups(np.array([[1, 4], [4, 6], [0, 3]])) == [[0, 3], [1, 4, 6]]
    assert groups(np.empty((0, 2), np.int64)) == []
