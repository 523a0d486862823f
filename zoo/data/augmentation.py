"""Augmentation of whole uint8 batches: each image gets its own crop and flip.

Crop and flip depend on (seed, epoch, position in the epoch) alone: ``draw`` draws them for a whole epoch at once, and
a loader takes those of its positions. So the network gets the same pixels from any number of processes, and in a
resumed run.

Flips alternate: the first epoch mirrors a random half of the images, the next epoch the other half, and so on.
Networks learn faster from this than from flips that each epoch draws anew (K. Jordan, "94% on CIFAR-10 in 3.29 Seconds
on a Single GPU", 2024, https://arxiv.org/abs/2404.00498, section 3.6).

To add an augmentation, give ``Augmentation`` a field for it, and ``AUGMENTATIONS`` a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.core.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images.

    Args:
        pad: zero pixels added at both ends of each side, as a share of it, before a random crop of the old size is
            cut out; 1/8 is 4 pixels of 32.
        flip: whether each epoch mirrors half of the images left to right.
    """

    pad: float = 0.0
    flip: bool = False

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
        """Draw crop and flip of every image of an epoch.

        Args:
            order: int64 ``(count,)``, the index of the image at each position, 0 to count - 1.
            epoch: 0, 1, ...
            size: height and width of the images.
            of_run: the same in every epoch: decides which half of the images is mirrored first.
            of_epoch: another in every epoch: decides the crops.

        Returns:
            int16 ``(count, 3)`` by position: row offset, column offset (0 to twice the margin), mirrored (0 or 1).
        """
        count = len(order)
        limits = [2 * self.margin(side) + 1 for side in size]
        columns = [torch.randint(limit, (count,), generator=of_epoch, dtype=torch.int16) for limit in limits]
        first = torch.randint(2, (count,), generator=of_run, dtype=torch.int16)
        mirrored = (first[order] + epoch) % 2 if self.flip else torch.zeros_like(first)
        return torch.stack([*columns, mirrored], dim=1)

    def apply(self, images: Tensor, choices: Tensor) -> Tensor:
        """Return the augmented batch, uint8 ``(batch, height, width, channels)``.

        Args:
            images: uint8 ``(batch, height, width, channels)``.
            choices: int16 ``(batch, 3)``, rows of what ``draw`` returns.
        """
        if not (self.pad or self.flip):
            return images
        count, height, width, _ = images.shape
        rows, columns = self.margin(height), self.margin(width)
        padded = torch.nn.functional.pad(images, (0, 0, columns, columns, rows, rows))
        chosen = choices.to(images.device, torch.long)
        y = chosen[:, 0:1] + torch.arange(height, device=images.device)
        x = torch.arange(width, device=images.device).expand(count, width)
        x = chosen[:, 1:2] + torch.where(chosen[:, 2:3] == 1, width - 1 - x, x)
        batch = torch.arange(count, device=images.device)
        return padded[batch[:, None, None], y[:, :, None], x[:, None, :]]


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "none": Augmentation(),
    "flip": Augmentation(flip=True),
    "crop": Augmentation(pad=1 / 8),
    "crop_flip": Augmentation(pad=1 / 8, flip=True),
}


def augmentation_named(name: str) -> Augmentation:
    """Return an augmentation by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in AUGMENTATIONS:
        raise UserError(
            f"unknown augmentation '{name}'; allowed are {', '.join(AUGMENTATIONS)}{did_you_mean(name, AUGMENTATIONS)}"
        )
    return AUGMENTATIONS[name]
