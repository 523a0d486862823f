"""Rectangles and indices give the same pixels, and those of the definition."""

import pytest
import torch

from zoo.data.crop_flip import _by_index, crop_flip


@pytest.mark.parametrize(
    ("height", "width", "channels", "margins"), [(7, 9, 3, (2, 3)), (8, 8, 1, (1, 1)), (6, 5, 4, (0, 0))]
)
def test_an_image_is_cut_out_of_zeros_around_it_and_mirrored(height, width, channels, margins):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (40, height, width, channels), dtype=torch.uint8, generator=generator)
    limits = [2 * margins[0] + 1, 2 * margins[1] + 1, 2]
    choices = torch.stack([torch.randint(limit, (40,), generator=generator) for limit in limits], dim=1)
    rows, columns = margins
    padded = torch.nn.functional.pad(images, (0, 0, columns, columns, rows, rows))

    changed = crop_flip(images, choices, margins)

    for image, frame, (row, column, mirrored) in zip(changed, padded, choices.tolist(), strict=True):
        expected = frame[row : row + height, column : column + width]
        assert torch.equal(image, expected.flip(1) if mirrored else expected)
    assert torch.equal(_by_index(images, choices, margins), changed)


def test_pixels_that_do_not_lie_side_by_side_are_cut_alike():
    grey = torch.randint(256, (8, 6, 6, 1), dtype=torch.uint8)
    choices = torch.tensor([[0, 2, 1, 0]] * 8)

    assert torch.equal(
        crop_flip(grey.expand(-1, -1, -1, 3), choices, (1, 1)), crop_flip(grey, choices, (1, 1)).expand(-1, -1, -1, 3)
    )
