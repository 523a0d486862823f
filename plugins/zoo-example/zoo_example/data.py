"""stripes: images made by a formula, so that nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from zoo import NoSplitError, UserError


def stripes(root: Path, split: Literal["train", "val", "test"], width: int = 16, count: int = 500) -> Stripes:
    """Noisy stripes, horizontal, vertical or diagonal; grey.

    Args:
        root: the folder that --data.root names; a formula reads nothing from it.
        split: ``train`` or ``test``.
        width: pixels of both sides, at least 4.
        count: images in the split.

    Raises:
        NoSplitError: for ``val``; zoo then takes a part of train.
        UserError: width is less than 4.
    """
    if split == "val":
        raise NoSplitError(split)
    if width < 4:
        raise UserError(f"width is {width}; allowed is 4 or more")
    return Stripes(width, count, seed=0 if split == "train" else 1)


class Stripes:
    """A map-style data set.

    Args:
        width: pixels of both sides.
        count: images.
        seed: of the noise and of where the stripes begin.
    """

    classes = ("horizontal", "vertical", "diagonal")

    def __init__(self, width: int, count: int, seed: int) -> None:
        self.width, self.count, self.seed = width, count, seed
        #: Optional: with it zoo splits train without making every image.
        self.labels = np.arange(count) % len(self.classes)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        """Return ``(image, label)``: uint8 ``(width, width, 1)``, and an index into classes."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng((self.seed, index))
        row, column = np.mgrid[: self.width, : self.width]
        label = int(self.labels[index])
        position = (row, column, row + column)[label] + rng.integers(0, 4)
        level = 100 + 60 * (position % 4 < 2) + rng.normal(0, 20, (self.width, self.width))
        return level.clip(0, 255).astype(np.uint8)[..., None], label
