"""Augmentation of whole uint8 batches, every image with its own crop and flip.

What happens to an image is a function of (seed, epoch, position in the epoch) alone: ``draw`` makes the choices of a
whole epoch at once, and a loader picks those of its positions. So any number of processes, and a resumed run, feed
the network the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Policy:
    """A named way to vary training images.

    Args:
        pad: share of each side that zero pixels are added on, both ends, before a crop of the old size is cut at
            random; 1/8 is 4 pixels of 32.
        flip: whether half of the images are mirrored left to right.
    """

    pad: float = 0.0
    flip: bool = False

    def margin(self, side: int) -> int:
        """Return the pixels added at each end of a side of ``side`` pixels."""
        return round(side * self.pad)

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Draw the choices for ``count`` images.

        Returns:
            int16 ``(count, 3)``: row offset, column offset (0 to twice the margin), mirrored (0 or 1).
        """
        limits = [2 * self.margin(height) + 1, 2 * self.margin(width) + 1, 2 if self.flip else 1]
        columns = [torch.randint(limit, (count,), generator=generator, dtype=torch.int16) for limit in limits]
        return torch.stack(columns, dim=1)

    def apply(self, images: Tensor, choices: Tensor) -> Tensor:
        """Return the varied batch.

        Args:
            images: uint8 ``(batch, height, width, channels)``.
            choices: int16 ``(batch, 3)`` as ``draw`` returns them.
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


POLICIES: Mapping[str, Policy] = {
    "none": Policy(),
    "flip": Policy(flip=True),
    "crop": Policy(pad=1 / 8),
    "crop_flip": Policy(pad=1 / 8, flip=True),
}


def policy(name: str) -> Policy:
    """Return a policy by its name.

    Raises:
        UserError: there is no such policy.
    """
    if name not in POLICIES:
        raise UserError(
            f"unknown augmentation '{name}'; allowed are {', '.join(POLICIES)}{did_you_mean(name, POLICIES)}"
        )
    return POLICIES[name]
