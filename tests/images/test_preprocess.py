"""Preprocessing: one definition for every size and place."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from zoo.core.errors import ImageError
from zoo.core.spec import Resize
from zoo.images.preprocess import Preprocess, to_uint8


def images(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_pixels_of_the_right_size_are_scaled_and_normalised(colour_spec):
    batch = images(2, 32, 32, 3)
    expected = (batch.permute(0, 3, 1, 2) / 255 - torch.tensor(colour_spec.mean).view(3, 1, 1)) / torch.tensor(
        colour_spec.std
    ).view(3, 1, 1)
    torch.testing.assert_close(Preprocess(colour_spec)(batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "resize",
    [
        Resize(),
        Resize(0.875),
        Resize(0.9, "bicubic"),
        Resize(fit="letterbox"),
        Resize(0.7, "bicubic", "letterbox"),
        Resize(fit="stretch"),
        Resize(0.875, fit="stretch"),
    ],
)
@pytest.mark.parametrize("size", [(32, 32), (50, 40), (17, 90), (8, 8), (1, 10), (64, 64), (83, 35), (333, 500)])
def test_an_image_resized_ahead_of_time_gives_the_same_input(colour_spec, size, resize):
    spec = dataclasses.replace(colour_spec, resize=resize)
    batch = images(1, *size, 3)
    ahead = to_uint8(batch[0], spec)
    assert ahead.shape == (32, 32, 3)
    assert torch.equal(to_uint8(Image.fromarray(batch[0].numpy()), spec), ahead)
    preprocess = Preprocess(spec)
    torch.testing.assert_close(preprocess(ahead[None]), preprocess(batch), atol=0, rtol=0)


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (256, 256), (100, 120)])
def test_resize_and_crop_agree_with_torchvision(colour_spec, size):
    spec = dataclasses.replace(colour_spec, height=224, width=224, resize=Resize(0.875))
    image = images(*size, 3)
    theirs = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor()])(Image.fromarray(image.numpy()))
    ours = to_uint8(image, spec).permute(2, 0, 1)
    # A level apart where Pillow scales columns first; equal where it scales rows first, as zoo always does.
    assert (ours.float() - theirs.float()).abs().max() <= (0 if size[0] <= size[1] else 1)


def test_a_size_that_is_not_square_is_covered(colour_spec):
    spec = dataclasses.replace(colour_spec, height=20, width=40)
    for size in [(100, 100), (10, 300), (300, 10), (21, 39)]:
        assert to_uint8(images(*size, 3), spec).shape == (20, 40, 3)


@pytest.mark.parametrize("size", [(32, 32), (40, 50)])
def test_the_order_in_memory_changes_no_value(colour_spec, size):
    images = torch.randint(0, 256, (3, *size, 3), dtype=torch.uint8)
    last = Preprocess(colour_spec, torch.channels_last)(images)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last, Preprocess(colour_spec)(images))


def test_letterbox_shows_the_whole_image_between_black_bars(colour_spec):
    spec = dataclasses.replace(colour_spec, resize=Resize(fit="letterbox"))
    white = torch.full((50, 100, 3), 255, dtype=torch.uint8)
    for image, sides in ((white, (0, 1)), (white.transpose(0, 1), (1, 0))):
        seen = to_uint8(image.contiguous(), spec).permute(*sides, 2)
        assert seen[:8].max() == 0
        assert seen[8:24].min() == 255
        assert seen[24:].max() == 0


def test_letterbox_of_a_line_shows_at_least_one_row(colour_spec):
    spec = dataclasses.replace(colour_spec, resize=Resize(fit="letterbox"))
    seen = to_uint8(torch.full((1, 5000, 3), 255, dtype=torch.uint8), spec)
    assert (seen.amax(dim=(1, 2)) == 255).sum() == 1


def test_stretch_is_a_resize_of_both_sides(colour_spec):
    spec = dataclasses.replace(colour_spec, height=20, width=40, resize=Resize(fit="stretch"))
    image = Image.fromarray(images(77, 31, 3).numpy())
    rows_first = image.resize((40, 77), Image.Resampling.BILINEAR).resize((40, 20), Image.Resampling.BILINEAR)
    assert torch.equal(to_uint8(image, spec), torch.from_numpy(np.array(rows_first)))


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_no_image_is_too_long_and_thin_for_a_fit_that_shows_it_whole(colour_spec, fit):
    spec = dataclasses.replace(colour_spec, resize=Resize(fit=fit))
    assert to_uint8(torch.zeros(1, 1_000_000, 3, dtype=torch.uint8), spec).shape == (32, 32, 3)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_each_channel_is_scaled_alone(colour_spec, channels):
    numbers = (0.5,) * channels
    spec = dataclasses.replace(colour_spec, channels=channels, mean=numbers, std=numbers)
    image = images(50, 41, channels)
    ahead = to_uint8(image, spec)
    for number in range(channels):
        assert torch.equal(ahead[..., number : number + 1], to_uint8(image[..., number : number + 1], spec))
    torch.testing.assert_close(Preprocess(spec)(ahead[None]), Preprocess(spec)(image[None]), atol=0, rtol=0)


def test_an_image_too_long_and_thin_is_refused_before_memory_is_taken(colour_spec):
    with pytest.raises(ImageError, match="1x10000000 pixels is too long and thin"):
        to_uint8(torch.zeros(1, 1, 1, dtype=torch.uint8).expand(1, 10_000_000, 3), colour_spec)


@pytest.mark.parametrize("shape", [(2, 32, 32, 1), (2, 3, 32, 32), (32, 32, 3)])
def test_another_shape_is_an_error_that_says_what_came(colour_spec, shape):
    with pytest.raises(ValueError, match=r"expected uint8 images \(batch, height, width, 3\), received"):
        Preprocess(colour_spec)(images(*shape))


def test_floating_pixels_are_an_error(colour_spec):
    with pytest.raises(ValueError, match=r"received torch\.float32"):
        Preprocess(colour_spec)(torch.zeros(2, 32, 32, 3))


def test_one_thread_normalises_and_the_others_are_given_back(colour_spec, monkeypatch):
    counts, torchs = [], torch.addcmul
    monkeypatch.setattr(torch, "addcmul", lambda *a, **k: (counts.append(torch.get_num_threads()), torchs(*a, **k))[1])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        images = torch.zeros(2, colour_spec.height, colour_spec.width, 3, dtype=torch.uint8)
        Preprocess(colour_spec, torch.channels_last)(images)
        assert (counts, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)
