"""How splits are drawn: by a hash of each file's path, which other files do not change, or by count.

    path ──blake2b(seed, path)──► a place on a circle       0 ├─ test ─┼────────── train ──────────┼─ val ─┤ 1

Arrays have no paths: of them, each class gives each split its share by count, as all data sets did before.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

#: Default of ``data.split_seed``. It does not follow the run's seed: then one run would train on images that another
#: one tests with.
SPLIT_SEED = 1998

#: Names by which people call a split, in lower case.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}

#: Places on the circle: hashes are 0 to CIRCLE - 1.
CIRCLE = 2**64


def split_of(name: str) -> str | None:
    """Return train, val or test for a name that people give it, in any case; None for another name."""
    return next((split for split, names in SPLIT_NAMES.items() if name.strip().lower() in names), None)


def normal_path(path: str) -> str:
    """Return a relative path in the form that is hashed and compared: Unicode NFC, separated by ``/``."""
    return unicodedata.normalize("NFC", path).replace(os.sep, "/")


def hash_split(
    keys: Sequence[str], seed: int, fractions: tuple[float, float], fold: tuple[int, int] = (1, 1)
) -> list[np.ndarray]:
    """Split items by a hash of their keys: an item's split depends on nothing but its own key.

    Args:
        keys: one an item: its path as ``normal_path`` gives it, or the name of its group. Equal keys go together.
        seed: decides the hash.
        fractions: shares of val and test, each at least 0, together less than 1.
        fold: number of the fold, from 1, and number of folds. With two folds or more, fold k is the k-th part of the
            circle, and the share of test is not used; together the folds test every item exactly once.

    Returns:
        Sorted int64 indices of train, val and test.
    """
    salt = f"{seed}\0".encode()
    digests = [blake2b(salt + key.encode("utf-8", "surrogateescape"), digest_size=8).digest() for key in keys]
    places = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    number, folds = fold
    start = (number - 1) * CIRCLE // folds
    width = number * CIRCLE // folds - start if folds > 1 else int(fractions[1] * CIRCLE)
    # Unsigned integers wrap round at CIRCLE: the val part of fold 1 lies at the end of the circle.
    test = places - np.uint64(start) < np.uint64(width)
    before = np.uint64((start - 1) % CIRCLE) - places
    val = ~test & (before < np.uint64(int(fractions[0] * CIRCLE)))
    return [np.flatnonzero(part) for part in (~test & ~val, val, test)]


def stratified_split(
    labels: Sequence[int] | np.ndarray, fractions: Sequence[float], seed: int = SPLIT_SEED
) -> list[np.ndarray]:
    """Split indices so that each class has nearly the same share in every part.

    The first part gets what the ``fractions`` leave. A class with at least as many images as there are parts has an
    image in each.

    Args:
        labels: ``(count,)`` class indices.
        fractions: share of each further part, each in (0, 1), together less than 1.
        seed: decides which images.

    Returns:
        A sorted int64 array of indices for each part: first the remainder, then one for each fraction.
    """
    labels = np.asarray(labels)
    parts: list[list[np.ndarray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        members = np.random.default_rng((seed, int(label))).permutation(np.flatnonzero(labels == label))
        smallest = 1 if len(members) > len(fractions) else 0
        sizes = [max(smallest, round(len(members) * fraction)) for fraction in fractions]
        cuts = np.cumsum(sizes)
        for part, chosen in zip(parts[1:] + parts[:1], np.split(members, cuts), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) for part in parts]


def count_split(
    labels: Sequence[int] | np.ndarray, seed: int, fractions: tuple[float, float], fold: tuple[int, int] = (1, 1)
) -> list[np.ndarray]:
    """Split items so that each class has nearly the same share in every part and in every fold.

    Args:
        labels: ``(count,)`` class indices.
        seed: decides which items.
        fractions: shares of val and test, as in ``hash_split``.
        fold: as in ``hash_split``.

    Returns:
        Sorted int64 indices of train, val and test.
    """
    labels, (number, folds) = np.asarray(labels), fold
    if folds == 1:
        parts = iter(stratified_split(labels, [fraction for fraction in fractions if fraction], seed))
        nothing = np.empty(0, np.int64)
        return [next(parts), *(next(parts) if fraction else nothing for fraction in fractions)]
    folds_of, dealt = np.empty(len(labels), np.int64), 0
    for label in np.unique(labels):
        members = np.random.default_rng((seed, int(label))).permutation(np.flatnonzero(labels == label))
        folds_of[members] = (dealt + np.arange(len(members))) % folds + 1
        dealt += len(members)
    rest, test = np.flatnonzero(folds_of != number), np.flatnonzero(folds_of == number)
    train, val, _ = count_split(labels[rest], seed, (fractions[0] * folds / (folds - 1), 0.0))
    return [rest[train], rest[val], test]
