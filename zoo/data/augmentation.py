"""Augmentation: what training does to images, drawn by (seed, epoch, image) alone.

    whole image ──► steps for single images, in workers ──► uint8 batch ──► crop and flip of whole batches

``draw`` draws for a whole epoch at once, and a loader takes what belongs to its positions: the network gets the same
pixels from any number of processes, and in a resumed run. Crop and flip are done to whole batches, on the device that
has them; every other step is a transform of torchvision.transforms.v2, which gets one image and a seed of its own.

Flips alternate: the first epoch mirrors a random half of the images, the next epoch the other half, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.data.crop_flip import COLUMN, MIRRORED, ROW, crop_flip

#: The column behind ROW, COLUMN and MIRRORED in what ``Augmentation.draw`` returns.
SEED = 3

#: A PIL image of mode L or RGB, or uint8 ``(channels, height, width)``.
OneImage = Image.Image | Tensor


@dataclass(frozen=True)
class Flip:
    """Mirrors left to right; ``Augmentation.draw`` decides when."""


@dataclass(frozen=True)
class PaddedCrop:
    """Adds zeros at both ends of each side, and cuts the old size out.

    Args:
        padding: pixels that are added at an end, as a share of the side.

    Raises:
        ValueError: the padding is not in (0, 1].
    """

    padding: float

    def __post_init__(self) -> None:
        if not 0 < self.padding <= 1:
            raise ValueError(f"padding is {self.padding}; allowed is more than 0 and at most 1")


@dataclass(frozen=True)
class Step:
    """One change of single images.

    Args:
        name: as the user gave it.
        transform: what makes it.
        takes_pillow: whether the transform gets PIL images where there are 1 or 3 channels; tensors otherwise.
        cuts_whole: whether it cuts out of an image as it is stored, and gives the size that the network sees.
    """

    name: str
    transform: Flip | PaddedCrop | Callable[[Any], Any]
    takes_pillow: bool = False
    cuts_whole: bool = False


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images.

    Args:
        pad: zero pixels added at both ends of each side, as a share of it, before a random crop of the old size is
            cut out; 1/8 is 4 pixels of 32.
        flip: whether each epoch mirrors half of the images left to right.
        steps: changes of single images, in order. Crop and flip stand among them where another step comes later;
            otherwise they are done to whole batches.
    """

    pad: float = 0.0
    flip: bool = False
    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether it changes anything."""
        return self.pad > 0 or self.flip or bool(self.steps)

    @property
    def cuts_whole(self) -> bool:
        """Whether single images are taken as they are stored."""
        return any(step.cuts_whole for step in self.steps)

    def margin(self, side: int) -> int:
        """Return how many pixels are added at each end of a side of ``side`` pixels."""
        return round(side * self.pad)

    def draw(
        self,
        order: Tensor,
        epoch: int,
        size: tuple[int, int],
        of_run: torch.Generator,
        of_epoch: torch.Generator,
    ) -> Tensor:
        """Draw what every image of an epoch gets.

        Args:
            order: int64 ``(count,)``, the index of the image at each position, 0 to count - 1.
            epoch: 0, 1, ...
            size: height and width of the images.
            of_run: the same in every epoch: decides which half of the images is mirrored first.
            of_epoch: another in every epoch: decides the rest.

        Returns:
            int64 ``(count, 4)`` by position: row offset, column offset (0 to twice the margin), mirrored (0 or 1), and
            the seed of the steps, which belongs to the image and to how often it came before in the epoch.
        """
        count = len(order)
        limits = [2 * self.margin(side) + 1 for side in size]
        columns = [torch.randint(limit, (count,), generator=of_epoch, dtype=torch.int16) for limit in limits]
        first = torch.randint(2, (count,), generator=of_run, dtype=torch.int16)
        mirrored = (first[order] + epoch) % 2 if self.flip else torch.zeros_like(first)
        seeds = torch.zeros(count, dtype=torch.int64)
        if self.steps:
            seeds = torch.randint(2**62, (count,), generator=of_epoch)[order] + earlier(order)
        return torch.stack([*(column.long() for column in (*columns, mirrored)), seeds], dim=1)

    def apply(self, images: Tensor, choices: Tensor) -> Tensor:
        """Return the batch, uint8 ``(batch, height, width, channels)``, cropped and flipped where no step does so.

        Args:
            images: uint8 ``(batch, height, width, channels)``, after the steps.
            choices: int64 ``(batch, 4)``, rows of what ``draw`` returns.
        """
        single = {type(step.transform) for step in self.steps}
        crops, flips = self.pad > 0 and PaddedCrop not in single, self.flip and Flip not in single
        if not (crops or flips):
            return images
        _, height, width, _ = images.shape
        margins = (self.margin(height), self.margin(width)) if crops else (0, 0)
        chosen = choices.clone()
        if not crops:
            chosen[:, : COLUMN + 1] = 0
        if not flips:
            chosen[:, MIRRORED] = 0
        return crop_flip(images, chosen, margins)

    def change(self, image: Tensor, choice: Sequence[int]) -> Tensor:
        """Return one image after the steps, uint8 ``(height, width, channels)``.

        Args:
            image: uint8 ``(height, width, channels)``: whole, as it is stored, where a step cuts out of it; otherwise
                of the size that the network sees.
            choice: a row of what ``draw`` returns.
        """
        current: OneImage = image.permute(2, 0, 1)
        state = torch.get_rng_state()
        torch.default_generator.manual_seed(choice[SEED])
        try:
            for step in self.steps:
                current = self._changed(current, step, choice)
        finally:
            torch.set_rng_state(state)
        return as_tensor(current).permute(1, 2, 0).contiguous()

    def _changed(self, image: OneImage, step: Step, choice: Sequence[int]) -> OneImage:
        if isinstance(step.transform, Flip):
            return as_tensor(image).flip(2) if choice[MIRRORED] else image
        if isinstance(step.transform, PaddedCrop):
            pixels = as_tensor(image)
            height, width = pixels.shape[1:]
            rows, columns = self.margin(height), self.margin(width)
            padded = torch.nn.functional.pad(pixels, (columns, columns, rows, rows))
            return padded[:, choice[ROW] : choice[ROW] + height, choice[COLUMN] : choice[COLUMN] + width]
        changed: OneImage = step.transform(as_pillow(image) if step.takes_pillow else as_tensor(image))
        return changed


def as_pillow(image: OneImage) -> OneImage:
    """Return a tensor of 1 or 3 channels as a PIL image, which Pillow changes faster; others as they are."""
    if isinstance(image, Image.Image) or image.shape[0] not in (1, 3):
        return image
    pixels = image.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)


def as_tensor(image: OneImage) -> Tensor:
    """Return a PIL image as uint8 ``(channels, height, width)``; a tensor as it is."""
    if isinstance(image, Tensor):
        return image
    pixels = np.array(image)
    return torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).permute(2, 0, 1)


def earlier(order: Tensor) -> Tensor:
    """Return how often each position's image stands at earlier positions, int64 ``(count,)``."""
    ranked, position = torch.sort(order, stable=True)
    place = torch.arange(len(order))
    starts = torch.cat([torch.ones(1, dtype=torch.bool), ranked[1:] != ranked[:-1]])
    begin = torch.where(starts, place, 0).cummax(0).values
    result = torch.empty_like(order)
    result[position] = place - begin
    return result
