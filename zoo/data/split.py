"""Stratified splits by a fixed seed: the same images in the same split on every machine, for every run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Not an option: if the split followed the run's seed, one run would train on images that another one tests with.
SPLIT_SEED = 1998


def stratified_split(labels: Sequence[int] | np.ndarray, fractions: Sequence[float]) -> list[np.ndarray]:
    """Split indices so that each class has nearly the same share in every part.

    The first part gets what the ``fractions`` leave. A class with at least as many images as there are parts has an
    image in each.

    Args:
        labels: ``(count,)`` class indices.
        fractions: share of each further part, each in (0, 1), together less than 1.

    Returns:
        A sorted int64 array of indices for each part: first the remainder, then one for each fraction.
    """
    labels = np.asarray(labels)
    parts: list[list[np.ndarray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        members = np.random.default_rng((SPLIT_SEED, int(label))).permutation(np.flatnonzero(labels == label))
        smallest = 1 if len(members) > len(fractions) else 0
        sizes = [max(smallest, round(len(members) * fraction)) for fraction in fractions]
        cuts = np.cumsum(sizes)
        for part, chosen in zip(parts[1:] + parts[:1], np.split(members, cuts), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) for part in parts]
