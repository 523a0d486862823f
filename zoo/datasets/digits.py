"""digits: 1,797 handwritten digits of 8x8 pixels, which are part of scikit-learn: nothing is downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.core.errors import NoSplitError, UserError
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
        UserError: as ``read_digits``.
    """
    if split == "val":
        raise NoSplitError(split)
    pixels, labels = read_digits()
    images = np.round(pixels.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    train, test = stratified_split(labels, [0.2])
    chosen = train if split == "train" else test
    return ArrayDataset(images[chosen], labels[chosen].astype(np.int64), [str(digit) for digit in range(10)])


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return what ``sklearn.datasets.load_digits`` reads: float64 ``(1797, 64)``, 0 to 16, and int64 ``(1797,)``.

    Importing scikit-learn takes longer than the first step of a training, so its file is read without it, as long as it
    lies where versions up to 1.9 have it.

    Raises:
        UserError: scikit-learn is not installed.
    """
    spec = find_spec("sklearn")
    places = [] if spec is None else spec.submodule_search_locations or []
    paths = [path for place in places if (path := Path(place, "datasets", "data", "digits.csv.gz")).is_file()]
    if spec is None:
        raise UserError("digits is part of scikit-learn, which is not installed; pip install scikit-learn")
    if not paths:
        from sklearn.datasets import load_digits

        return load_digits(return_X_y=True)  # type: ignore[no-any-return]
    rows = np.loadtxt(paths[0], delimiter=",")
    return rows[:, :-1], rows[:, -1].astype(np.int64)
