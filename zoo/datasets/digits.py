"""digits: 1,797 handwritten digits of 8x8 pixels, which are part of scikit-learn: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from zoo.core.errors import NoSplitError
from zoo.data.arrays import ArrayDataset
from zoo.data.split import stratified_split


def digits(root: Path, split: Literal["train", "val", "test"]) -> ArrayDataset:
    """Handwritten digits, 8x8 grey: 1,437 for training, 360 for testing; comes with scikit-learn.

    The 17 grey levels are spread over 0 to 255. A fifth of each class, chosen by a fixed seed, is the test split.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), test part,
    https://archive.ics.uci.edu/dataset/80

    Args:
        root: not used.
        split: ``train`` or ``test``.

    Raises:
        NoSplitError: for ``val``.
    """
    if split == "val":
        raise NoSplitError(split)
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.round(pixels.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    train, test = stratified_split(labels, [0.2])
    chosen = train if split == "train" else test
    return ArrayDataset(images[chosen], labels[chosen].astype(np.int64), [str(digit) for digit in range(10)])
