"""Augmentation of whole batches."""

from __future__ import annotations

import pytest
import torch

from zoo.data.augmentation import Augmentation

CROP_FLIP = Augmentation(pad=1 / 8, flip=True)


def draw(chosen: Augmentation, count: int, side: int = 16, epoch: int = 0, order=None):
    order = torch.arange(count) if order is None else order
    generators = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1 + epoch)
    return chosen.draw(order, epoch, (side, side), *generators)


@pytest.fixture
def batch():
    return torch.randint(1, 256, (64, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_every_image_is_cropped_and_flipped_as_its_choice_says(batch):
    chosen = CROP_FLIP
    choices = draw(chosen, len(batch))
    varied = chosen.apply(batch, choices)
    padded = torch.nn.functional.pad(batch, (0, 0, 2, 2, 2, 2))
    for image, frame, (row, column, mirrored, _) in zip(varied, padded, choices.tolist(), strict=True):
        expected = frame[row : row + 16, column : column + 16]
        assert torch.equal(image, expected.flip(1) if mirrored else expected)


def test_choices_cover_their_whole_range():
    choices = draw(CROP_FLIP, 2000)
    assert choices.amin(0).tolist() == [0, 0, 0, 0]
    assert choices.amax(0).tolist() == [4, 4, 1, 0]
    assert 0.45 < choices[:, 2].float().mean() < 0.55


def test_every_image_is_mirrored_in_every_other_epoch_wherever_it_stands():
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(5))
    first, second, third = (draw(CROP_FLIP, 2000, epoch=epoch) for epoch in range(3))
    elsewhere = draw(CROP_FLIP, 2000, epoch=1, order=order)
    assert torch.equal(first[:, 2], 1 - second[:, 2])
    assert torch.equal(first[:, 2], third[:, 2])
    assert torch.equal(elsewhere[:, 2], second[order, 2])
    assert not torch.equal(first[:, :2], second[:, :2])


def test_flip_alone_moves_nothing_else(batch):
    chosen = Augmentation(flip=True)
    varied = chosen.apply(batch, draw(chosen, len(batch)))
    kept = (varied == batch).flatten(1).all(1)
    mirrored = (varied == batch.flip(2)).flatten(1).all(1)
    assert (kept | mirrored).all()
    assert kept.any()
    assert mirrored.any()


def test_none_returns_the_batch(batch):
    assert Augmentation().apply(batch, draw(Augmentation(), len(batch))) is batch
