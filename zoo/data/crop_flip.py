"""Crop and flip of a whole batch: copies of rectangles on the CPU, one indexing operation elsewhere; both are equal."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Columns of a choice: row and column at which the crop begins in the padded image, and whether it is mirrored.
ROW, COLUMN, MIRRORED = range(3)


def crop_flip(images: Tensor, choices: Tensor, margins: tuple[int, int]) -> Tensor:
    """Cut each image out of itself with zeros around it, and mirror some left to right.

    Args:
        images: uint8 ``(batch, height, width, channels)``.
        choices: int64 ``(batch, 3 or more)``: row offset, column offset, 0 to twice the margin, and mirrored, 0 or 1.
        margins: zero rows and zero columns at each end.

    Returns:
        uint8 ``(batch, height, width, channels)``, on the images' device, in pinned memory where theirs is.
    """
    if images.device.type == "cpu":
        return _by_rectangles(images.contiguous(), choices, margins)
    return _by_index(images, choices.to(images.device, non_blocking=True), margins)


def _by_rectangles(images: Tensor, choices: Tensor, margins: tuple[int, int]) -> Tensor:
    """Copy the rectangle of each image that its crop shows.

    At 224 pixels an image takes 0.05 ms, where an index for each pixel takes 0.54; at 32 pixels 2 in place of 13
    microseconds. A pixel is one element of the arrays, so that mirroring moves all its channels at once.
    """
    result = torch.zeros(images.shape, dtype=torch.uint8, pin_memory=images.is_pinned())
    height, width = images.shape[1:3]
    sources, targets = _pixels(images), _pixels(result)
    for image, target, (row, column, mirrored, *_) in zip(sources, targets, choices.tolist(), strict=True):
        top, left = row - margins[0], column - margins[1]
        bottom, right = min(top + height, height), min(left + width, width)
        shown = image[max(top, 0) : bottom, max(left, 0) : right]
        rows = target[max(-top, 0) : bottom - top]
        if mirrored:
            rows[:, width - (right - left) : width - max(-left, 0)] = shown[:, ::-1]
        else:
            rows[:, max(-left, 0) : right - left] = shown
    return result


def _pixels(images: Tensor) -> np.ndarray:
    """Return images as an array ``(batch, height, width)`` of pixels that shares their memory."""
    array = images.numpy()
    if array.shape[3] == 1 or not array.size:
        return array[..., 0]
    return array.view(np.dtype((np.void, array.shape[3])))[..., 0]


def _by_index(images: Tensor, choices: Tensor, margins: tuple[int, int]) -> Tensor:
    """Take each pixel by its index: a few kernels for the batch, which wait for nothing."""
    count, height, width, _ = images.shape
    rows, columns = margins
    padded = torch.nn.functional.pad(images, (0, 0, columns, columns, rows, rows))
    y = choices[:, ROW, None] + torch.arange(height, device=images.device)
    x = torch.arange(width, device=images.device).expand(count, width)
    x = choices[:, COLUMN, None] + torch.where(choices[:, MIRRORED, None] == 1, width - 1 - x, x)
    batch = torch.arange(count, device=images.device)
    return padded[batch[:, None, None], y[:, :, None], x[:, None, :]]
